"""What a quote costs after agreed terms: a price held for thirty days, a subscription's locked price, a discount, or a lot's part.

The rule this file keeps: an amount follows from the price and the whole numbers stated in the quote's document, so that
anybody can compute it again.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pricing.order import Priced

HOLD_BASIS_POINTS: Final = 200
"""The cost of holding a price, as a part of the price: paid with it, and shared like it."""
BASIS_POINTS_IN_ALL: Final = 10_000
"""A whole, in basis points."""
SHARES: Final = {"private_basis_points": "private"}
"""The field of a document for an offer to one partner → its step."""
STEPS: Final = {"holding_minor": "holding", "most_minor": "locked", "lot": "together"} | SHARES
"""All fields of a document that change its price → the step that each adds."""


def holding_of(amount_minor: int) -> int:
    """Return the cost of holding a price for thirty days, in cents, rounded up."""
    return -(-amount_minor * HOLD_BASIS_POINTS // BASIS_POINTS_IN_ALL)


def amount_of(priced: Priced, stated: Mapping[str, Any]) -> int:
    """Return what a quote costs, in cents before VAT, or 0 (no quote costs 0) if the stated numbers break this rule.

    holding_minor: the additional cost of holding the price for thirty days. most_minor: the most that a subscription
    pays, regardless of the least charge. lot: the lot of an order of several that this quote is of, from 0 on: it costs
    its part. private_basis_points: the part of the price that is paid, rounded up, and never less than the least charge.
    """
    match [(name, int(stated[name])) for name in STEPS if name in stated]:
        case []:
            return priced.amount_minor
        case [("holding_minor", holding)] if holding in {0, holding_of(priced.amount_minor)}:
            return priced.amount_minor + holding
        case [("most_minor", most)]:
            return max(min(most, priced.amount_minor), 0)
        case [("lot", lot)] if 0 <= lot < len(priced.parts_minor):
            return priced.parts_minor[lot]
        case [("private_basis_points", basis_points)]:
            return share_of(priced.amount_minor, basis_points, priced.law.least_minor)
    return 0


def stated_names(document: bytes) -> frozenset[str]:
    """Return the fields of agreed terms in a quote's document."""
    return frozenset(json.loads(document)) & STEPS.keys()


def stated_holding(document: bytes) -> int:
    """Return the stated cost of holding a quote's price, in cents."""
    return int(json.loads(document).get("holding_minor", 0))


def share_of(amount_minor: int, basis_points: int, least_minor: int) -> int:
    """Return so many basis points of a price, in cents, rounded up, at least the least charge; 0 for an invalid part."""
    if not 0 < basis_points <= BASIS_POINTS_IN_ALL:
        return 0
    return max(-(-amount_minor * basis_points // BASIS_POINTS_IN_ALL), min(least_minor, amount_minor))


def steps_of(priced: Priced, stated: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the changes of a price by agreed terms, by name, in cents; price and changes add up to the amount."""
    changed = amount_of(priced, stated) - priced.amount_minor
    return [(name, changed) for key, name in STEPS.items() if key in stated and changed]


def is_posted(document: bytes) -> bool:
    """Return whether a quote's document states a price that everybody sees, not an offer to one partner."""
    return "private_basis_points" not in json.loads(document)
