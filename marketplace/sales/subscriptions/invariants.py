"""Invariants of subscriptions."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.sales.subscriptions.queries import SQL

SUBSCRIPTIONS: Final = (
    Invariant(
        "a subscription orders for its partner, what it came to, at no more than the locked price", SQL["list_dearer"]
    ),
    Invariant("a service credit is refunded once for what it says", SQL["list_credits_not_given"]),
)
