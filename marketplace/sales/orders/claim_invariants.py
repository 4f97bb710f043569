"""Invariants of claims."""

from __future__ import annotations

from typing import Final

from marketplace.core.statements import Invariant
from marketplace.sales.orders.claim_queries import SQL

CLAIMS: Final = (
    Invariant("the shares of a licence wait for a claim exactly while one is open", SQL["list_not_frozen"]),
    Invariant("a claim that two people granted asked for its refund", SQL["list_not_refunded"]),
)
