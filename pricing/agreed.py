"""What a quote costs, by its price and what else was agreed: held for thirty days, locked by a subscription, or a part off.

The rule this file keeps: an amount follows from the price and the whole numbers that the quote's document states beside
it, so that anybody can compute it again.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pricing.quote import PricedQuote

HOLD_BASIS_POINTS: Final = 200
"""What holding a price costs, of the price: paid with it, and shared like it."""
BASIS_POINTS_IN_ALL: Final = 10_000
"""A whole, in basis points."""
SHARES: Final = {"private_basis_points": "private", "volume_basis_points": "volume"}
"""What a document states of an offer to one partner alone, or of several releases bought together → its step."""
STEPS: Final = {"holding_minor": "holding", "most_minor": "locked", "locked_minor": "locked"} | SHARES
"""All that a document may state beside its price → the step that it adds."""


def holding_of(amount_minor: int) -> int:
    """Return what holding a price for thirty days costs beside it, in cents, rounded up."""
    return -(-amount_minor * HOLD_BASIS_POINTS // BASIS_POINTS_IN_ALL)


def amount_of(priced: PricedQuote, stated: Mapping[str, Any]) -> int:
    """Return what a quote costs, in cents before VAT; 0, which nothing costs, where what is stated is not by this rule.

    holding_minor: holding the price for thirty days costs so much beside it. most_minor: a subscription pays so much at
    most, whatever the floor. locked_minor: the same as earlier documents say it, which never cost less than the floor.
    private_basis_points and volume_basis_points: so much of the price is paid, rounded up, and never less than the floor.
    """
    shares = [int(stated[name]) for name in SHARES if name in stated]
    if shares:
        is_alone = len(STEPS.keys() & stated.keys()) == 1
        return share_of(priced.amount_minor, shares[0], priced.inputs.floor_minor) if is_alone else 0
    if "most_minor" in stated:
        is_alone = len(STEPS.keys() & stated.keys()) == 1
        return max(min(int(stated["most_minor"]), priced.amount_minor), 0) if is_alone else 0
    if "locked_minor" in stated:
        return max(min(int(stated["locked_minor"]), priced.amount_minor), priced.inputs.floor_minor)
    holding = int(stated.get("holding_minor", 0))
    return priced.amount_minor + holding if holding in {0, holding_of(priced.amount_minor)} else 0


def stated_names(document: bytes) -> frozenset[str]:
    """Return which of what may be agreed a quote's document states."""
    return frozenset(json.loads(document)) & STEPS.keys()


def stated_holding(document: bytes) -> int:
    """Return what a quote's document says that holding its price costs, in cents."""
    return int(json.loads(document).get("holding_minor", 0))


def share_of(amount_minor: int, basis_points: int, floor_minor: int) -> int:
    """Return so many basis points of a price, in cents, rounded up, not under its floor; 0 where that is no part of it."""
    if not 0 < basis_points <= BASIS_POINTS_IN_ALL:
        return 0
    return max(-(-amount_minor * basis_points // BASIS_POINTS_IN_ALL), min(floor_minor, amount_minor))


def steps_of(priced: PricedQuote, stated: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return how what was agreed changes a price, by name, in cents: with the price they add up to the amount."""
    changed = amount_of(priced, stated) - priced.amount_minor
    return [(name, changed) for key, name in STEPS.items() if key in stated and changed]


def is_posted(document: bytes) -> bool:
    """Return whether a quote's document is of a price that everybody sees, rather than of an offer to one partner alone."""
    return "private_basis_points" not in json.loads(document)
