"""Accounts that SEPA transfers reach: valid IBANs and holders' names, and how banks spell a name.

Source: ISO 13616 (IBAN), EPC217-08 (the characters that banks accept).
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from typing import Final

from stdnum import iban as stdnum_iban
from stdnum import numdb
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidFormat, InvalidLength, ValidationError

from marketplace.core.errors import Invalid

_COUNTRIES: Final = "AD AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS SE SI SK SM VA"
COUNTRIES: Final = frozenset(_COUNTRIES.split())
"""The countries whose accounts SEPA transfers reach, by the first letters of their IBANs."""
SHORTEST_NAME, LONGEST_NAME = 2, 70
SPELLED: Final = str.maketrans(
    {"ß": "ss", "Æ": "AE", "æ": "ae", "Œ": "OE", "œ": "oe", "Þ": "TH", "þ": "th"}
    | dict(zip("ØøĐđÐðŁłĦħŦŧı’‘–—\u00a0&", "OoDdDdLlHhTti''-- +", strict=True))
)
"""The spelling of letters that banks do not read."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]*")
"""The characters that banks read unchanged …"""
_STRANGE: Final = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]")
"""… and each character that they do not read."""


def check_iban(text: str) -> str:
    """Return an IBAN without its spaces; refuse one that no SEPA transfer can reach, naming its fault."""
    number = stdnum_iban.compact(text)
    if not re.fullmatch(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{1,30}", number):
        raise Invalid("An IBAN begins with two letters for the country and two digits, such as FR76 3000 6000 …")
    if number[:2] not in COUNTRIES:
        raise Invalid("We can pay accounts in the SEPA area only; {country} is not in it.", country=number[:2])
    wanted = _length(number)
    if len(number) != wanted:
        raise Invalid(
            "An IBAN that begins with {country} has {wanted} characters; this one has {count}.",
            country=number[:2],
            wanted=wanted,
            count=len(number),
        )
    try:
        stdnum_iban.validate(number, check_country=False)
    except InvalidChecksum:
        raise Invalid("The check digits do not fit: a character of this IBAN is mistyped.") from None
    except ValidationError:
        raise Invalid("This IBAN has a letter where its country's IBANs have a digit, or the reverse.") from None
    with contextlib.suppress(InvalidComponent, InvalidFormat, InvalidLength):  # lists of banks go out of date
        try:
            stdnum_iban.validate(number)
        except InvalidChecksum:
            raise Invalid("The check digits inside this account number do not fit: a character is mistyped.") from None
    return str(number)


def _length(number: str) -> int:
    structure = str(numdb.get("iban").info(number)[0][1].get("bban", ""))
    return 4 + sum(int(count) for count in re.findall(r"([1-9][0-9]*)!", structure))


def check_holder(text: str) -> str:
    """Return a holder's name with single spaces; refuse one that banks could not read."""
    name = " ".join(text.split())
    if not SHORTEST_NAME <= len(name) <= LONGEST_NAME:
        raise Invalid("Write the account holder's name, as the bank has it: 2 to 70 characters.")
    spelled = latin(name)
    if spelled.count(".") > name.count(".") or sum(character.isalpha() for character in spelled) < SHORTEST_NAME:
        raise Invalid("Write the account holder's name in Latin letters, as it is on bank statements.")
    return name


def latin(text: str) -> str:
    """Spell text in the characters that every bank of SEPA accepts.

    A character without a spelling becomes a full stop.
    """
    if _PLAIN.fullmatch(text) and "//" not in text:
        return text.strip("/ ")
    plain = unicodedata.normalize("NFKD", text.translate(SPELLED))
    return re.sub("/+", "/", _STRANGE.sub(_dropped, plain)).strip("/ ")


def _dropped(found: re.Match[str]) -> str:
    """Drop a mark on the letter before it; any other character that banks do not read is a full stop."""
    return "" if unicodedata.combining(found[0]) else "."
