"""What a quote costs, by its price and what else was agreed: the price held for thirty days, or locked by a subscription.

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


def holding_of(amount_minor: int) -> int:
    """Return what holding a price for thirty days costs beside it, in cents, rounded up."""
    return -(-amount_minor * HOLD_BASIS_POINTS // BASIS_POINTS_IN_ALL)


def amount_of(priced: PricedQuote, stated: Mapping[str, Any]) -> int:
    """Return what a quote costs, in cents before VAT; 0, which nothing costs, where what is stated is not by this rule.

    holding_minor: holding the price for thirty days costs so much beside it. locked_minor: a subscription pays so much at
    most, but never less than the floor, which is what its contributors were promised needs.
    """
    if "locked_minor" in stated:
        return max(min(int(stated["locked_minor"]), priced.amount_minor), priced.inputs.floor_minor)
    holding = int(stated.get("holding_minor", 0))
    return priced.amount_minor + holding if holding in {0, holding_of(priced.amount_minor)} else 0


def stated_holding(document: bytes) -> int:
    """Return what a quote's document says that holding its price costs, in cents."""
    return int(json.loads(document).get("holding_minor", 0))
