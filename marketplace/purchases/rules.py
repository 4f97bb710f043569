"""Rules of buying: which VAT is due and why, how an order is numbered, how long an entitlement lasts."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime as dt

SELLER_COUNTRY: Final = "FR"
EU_COUNTRIES: Final = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 (one line)
)
"""Member states by ISO 3166-1; Greece's VAT numbers begin with EL."""
FRENCH_VAT_BASIS_POINTS: Final = 2000
WHOLE_BASIS_POINTS: Final = 10_000
MONTHS_A_YEAR: Final = 12


@dataclass(frozen=True, slots=True)
class Vat:
    """The VAT on a sale: the rule that decides it, its rate and its amount."""

    rule: str
    """domestic, reverse_charge, unverified or outside_eu."""
    basis_points: int
    amount_minor: int


def vat(country: str, *, confirmed: bool, net_minor: int) -> Vat:
    """Return the VAT on `net_minor` (cents, > 0) sold to a partner of `country` (ISO 3166-1 alpha-2).

    French partners pay French VAT; partners elsewhere in the Union whose number VIES confirmed account for it themselves
    (reverse charge), and pay French VAT while it is unconfirmed; outside the Union none is due. Rounded half up.

    Source: Directive 2006/112/EC, articles 44, 196 and 214; French tax code, articles 259, 278 and 283.
    """
    if country == SELLER_COUNTRY:
        rule = "domestic"
    elif country not in EU_COUNTRIES:
        rule = "outside_eu"
    else:
        rule = "reverse_charge" if confirmed else "unverified"
    basis_points = FRENCH_VAT_BASIS_POINTS if rule in ("domestic", "unverified") else 0
    half = WHOLE_BASIS_POINTS // 2
    return Vat(rule, basis_points, (net_minor * basis_points + half) // WHOLE_BASIS_POINTS)


def order_number(year: int, count: int) -> str:
    """Return what people read: the year, and a count that starts at 1 and only grows."""
    return f"P-{year}-{count:06d}"


def months_later(instant: dt.datetime, months: int) -> dt.datetime:
    """Return the same day and time `months` later, or the last day of a shorter month."""
    year, month = divmod(instant.year * MONTHS_A_YEAR + instant.month - 1 + months, MONTHS_A_YEAR)
    last_day = calendar.monthrange(year, month + 1)[1]
    return instant.replace(year=year, month=month + 1, day=min(instant.day, last_day))
