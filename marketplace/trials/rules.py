"""When two accounts are one company: by their registered numbers, and where one has none, by name or by mail domain."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import Final

from msgspec import Struct

SIREN_DIGITS: Final = 9
_PUBLIC_MAIL: Final = """
    163.com aol.com bbox.fr bluewin.ch bt.com btinternet.com fastmail.com free.fr gmail.com gmx.at gmx.ch gmx.com gmx.de
    gmx.fr gmx.net googlemail.com hotmail.be hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com
    laposte.net libero.it live.be live.co.uk live.com live.fr mac.com mail.com mail.ru me.com msn.com neuf.fr numericable.fr
    orange.fr outlook.be outlook.com outlook.de outlook.es outlook.fr outlook.it pm.me proton.me protonmail.ch protonmail.com
    qq.com sfr.fr skynet.be t-online.de telenet.be tutanota.com virgilio.it wanadoo.fr web.de yahoo.co.uk yahoo.com yahoo.de
    yahoo.es yahoo.fr yahoo.it yandex.com yandex.ru ymail.com zoho.com
"""
PUBLIC_MAIL: Final = frozenset(_PUBLIC_MAIL.split())
"""Domains at which anybody has an address: two of them say nothing of a company."""
_LEGAL_FORMS: Final = """
    ab ag as asbl bv bvba co company corp corporation eurl gmbh inc incorporated kg limited llc llp ltd nv oy plc sa sarl sas
    sasu sca sci scop sl spa sprl srl ug
"""
LEGAL_FORMS: Final = frozenset(_LEGAL_FORMS.split())


class Company(Struct, frozen=True):
    """An account's company: what it said of itself, and the domains of its people's confirmed addresses."""

    id: uuid.UUID
    company: str
    country: str
    vat_number: str
    domains: list[str]


def is_same_company(one: Company, other: Company) -> bool:
    """Return whether two accounts are of one company: numbers decide where both have one, and nothing else does.

    Where one has none: the same name in the same country, legal form, case and accents aside, or addresses at one domain
    that is not a public provider's.
    """
    if one.vat_number and other.vat_number:
        return _registered(one.vat_number) == _registered(other.vat_number)
    is_same_name = one.country == other.country and _name(one.company) == _name(other.company)
    return is_same_name or bool((set(one.domains) & set(other.domains)) - PUBLIC_MAIL)


def _registered(vat_number: str) -> str:
    """Return what a number registers: of a French one the SIREN, which several keys may precede."""
    return vat_number[:2] + vat_number[-SIREN_DIGITS:] if vat_number.startswith("FR") else vat_number


def _name(company: str) -> list[str]:
    """Return the words of a company's name without accents and legal forms; all of its words where it has no others."""
    apart = unicodedata.normalize("NFKD", company.casefold().replace(".", ""))
    words = re.findall(r"[^\W_]+", "".join(sign for sign in apart if not unicodedata.combining(sign)))
    return [word for word in words if word not in LEGAL_FORMS] or words
