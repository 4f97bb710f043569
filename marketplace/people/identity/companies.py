"""When two accounts are one company: by registered numbers, or, where one has no number, by name or mail domain."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.errors import NotFound, existing

if TYPE_CHECKING:
    from collections.abc import Sequence

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
"""Domains of public mail providers: a shared one says nothing about a company."""
_LEGAL_FORMS: Final = """
    ab ag as asbl bv bvba co company corp corporation eurl gmbh inc incorporated kg limited llc llp ltd nv oy plc sa sarl sas
    sasu sca sci scop sl spa sprl srl ug
"""
LEGAL_FORMS: Final = frozenset(_LEGAL_FORMS.split())
_DESCRIBE: Final = """
    SELECT partner.id, partner.company, partner.country, partner.vat_number,
        array_remove(array_agg(DISTINCT split_part(person.email, '@', 2)), NULL) AS domains
    FROM partner AS own
    JOIN partner
        ON partner.id = own.id
        OR ($2::uuid[] IS NULL OR partner.id = ANY($2))
        AND (own.vat_number = '' OR partner.vat_number = '' OR right(partner.vat_number, 9) = right(own.vat_number, 9))
    LEFT JOIN person ON person.partner = partner.id AND person.email_confirmed_at IS NOT NULL
    WHERE own.id = $1
    GROUP BY partner.id
"""
"""The partner $1, and of the partners $2 (null: of all) those that no VAT number tells apart from it."""


class Company(Struct, frozen=True):
    """An account's company: what it stated about itself, and the domains of its people's confirmed addresses."""

    id: uuid.UUID
    company: str
    country: str
    vat_number: str
    domains: list[str]


async def of_one_company(partner: uuid.UUID, others: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """Return which of other partners are a partner's company, in their order; refuses an unknown partner."""
    described = {one.id: one for one in await fetch_rows(Company, _DESCRIBE, partner, list(others))}
    if partner not in described:
        raise NotFound("There is no such partner.")
    own, known = described[partner], [described[one] for one in others if one in described]
    return [one.id for one in known if one.id == partner or is_same_company(own, one)]


async def list_accounts(partner: uuid.UUID) -> list[uuid.UUID]:
    """Return all accounts of a partner's company, by its VAT number, its own first; refuses an unknown partner.

    A shared name or domain is only a guess, so it does not show one account what another one pays.
    """
    known = await fetch_rows(Company, _DESCRIBE, partner, None)
    own = existing(next((one for one in known if one.id == partner), None), NotFound("There is no such partner."))
    same = [one for one in known if one.vat_number and own.vat_number and is_same_company(own, one)]
    return [partner, *(one.id for one in same if one.id != partner)]


def is_same_company(one: Company, other: Company) -> bool:
    """Return whether two accounts are of one company: their numbers alone decide where both have one.

    Otherwise they need the same name in the same country (legal form, case and accents aside), or addresses at one
    domain that is not a public provider's.
    """
    if one.vat_number and other.vat_number:
        return _registered(one.vat_number) == _registered(other.vat_number)
    is_same_name = one.country == other.country and _name(one.company) == _name(other.company)
    return is_same_name or bool((set(one.domains) & set(other.domains)) - PUBLIC_MAIL)


def _registered(vat_number: str) -> str:
    """Return a company's number: for a French VAT number the SIREN, without the check digits before it."""
    return vat_number[:2] + vat_number[-SIREN_DIGITS:] if vat_number.startswith("FR") else vat_number


def _name(company: str) -> list[str]:
    """Return the words of a company's name without accents and legal forms; all words if no others are left."""
    apart = unicodedata.normalize("NFKD", company.casefold().replace(".", ""))
    words = re.findall(r"[^\W_]+", "".join(sign for sign in apart if not unicodedata.combining(sign)))
    return [word for word in words if word not in LEGAL_FORMS] or words
