"""VAT: which rule decides it for a partner, its rate, and its amount to the cent. Shown with a price, fixed on an order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

FRENCH_TERRITORY: Final = frozenset({"FR", "MC"})
"""France, and Monaco, which counts as France for VAT."""
EU_COUNTRIES: Final = frozenset(
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 (one line)
)
"""Member states by ISO 3166-1; Greece's VAT numbers begin with EL."""
FRENCH_VAT_BASIS_POINTS: Final = 2000
WHOLE_BASIS_POINTS: Final = 10_000


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

    Source: Directive 2006/112/EC, articles 7, 44, 196 and 214; French tax code, articles 259, 278 and 283.
    """
    if country in FRENCH_TERRITORY:
        rule = "domestic"
    elif country not in EU_COUNTRIES:
        rule = "outside_eu"
    else:
        rule = "reverse_charge" if confirmed else "unverified"
    basis_points = FRENCH_VAT_BASIS_POINTS if rule in ("domestic", "unverified") else 0
    half = WHOLE_BASIS_POINTS // 2
    return Vat(rule, basis_points, (net_minor * basis_points + half) // WHOLE_BASIS_POINTS)
