"""VAT: which rule decides it for a partner, its rate on a day, its amount to the cent. Shown with a price, fixed on an order.

A licence of data is a service between companies: it is taxed where the buyer is established, wherever the data goes. So only
the buyer's country decides, and places are told apart by their own ISO codes:

- France and Monaco pay the standard rate; Guadeloupe, Martinique and Réunion the overseas one; in French Guiana and
  Mayotte VAT is not applied. Other French places overseas (Saint-Martin, New Caledonia, …) are outside the Union's VAT.
- Elsewhere in the Union the buyer accounts for it (reverse charge) once VIES confirmed its number. Companies of places
  that belong to a member state and not to its VAT territory (Canary Islands, Ceuta, Melilla, Büsingen, Heligoland,
  Livigno, Campione, Mount Athos) carry that state's code and have no number in VIES: French VAT, until finance says
  otherwise. The Åland Islands have a code of their own and are outside.
- Northern Ireland's XI numbers count for goods alone, so its companies are outside like the rest of the United Kingdom.

Source: Directive 2006/112/EC, articles 6, 7, 44, 196 and 214; French tax code, articles 259, 278, 283, 294 and 296.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from stdnum.eu.vat import MEMBER_STATES

NORTHERN_IRELAND: Final = "XI"
EU_COUNTRIES: Final = frozenset(state.upper() for state in MEMBER_STATES) - {NORTHERN_IRELAND}
"""Member states by ISO 3166-1; Greece's VAT numbers begin with EL."""
RATES: Final = {
    "standard": ((date(2000, 4, 1), 1960), (date(2014, 1, 1), 2000)),
    "overseas": ((date(2000, 4, 1), 850),),
}
"""France's rates: from a day, in basis points, the oldest first."""
FRENCH: Final = {
    "FR": "domestic",
    "MC": "domestic",
    "GP": "overseas",
    "MQ": "overseas",
    "RE": "overseas",
    "GF": "overseas_exempt",
    "YT": "overseas_exempt",
}
"""The rule of each place where France's tax code speaks."""
RATE_OF: Final = {"domestic": "standard", "unverified": "standard", "overseas": "overseas"}
"""The rate of each rule under which VAT is due to us; under the others none is."""
WHOLE_BASIS_POINTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Vat:
    """The VAT on a sale: the rule that decides it, its rate and its amount."""

    rule: str
    """domestic, overseas, overseas_exempt, reverse_charge, unverified or outside_eu."""
    basis_points: int
    amount_minor: int


def rate(name: str, on: date) -> int:
    """Return a rate of France in force on a day, in basis points; the days before the table's first have its first."""
    past = [basis_points for since, basis_points in RATES[name] if since <= on]
    return past[-1] if past else RATES[name][0][1]


def vat(country: str, *, confirmed: bool, net_minor: int, on: date) -> Vat:
    """Return the VAT on `net_minor` (cents, > 0) sold on a day to a partner of `country` (ISO 3166-1 alpha-2).

    confirmed: whether VIES confirmed the partner's number. The amount is rounded half up.
    """
    if country in FRENCH:
        rule = FRENCH[country]
    elif country not in EU_COUNTRIES:
        rule = "outside_eu"
    else:
        rule = "reverse_charge" if confirmed else "unverified"
    basis_points = rate(RATE_OF[rule], on) if rule in RATE_OF else 0
    half = WHOLE_BASIS_POINTS // 2
    return Vat(rule, basis_points, (net_minor * basis_points + half) // WHOLE_BASIS_POINTS)
