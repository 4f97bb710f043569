"""The invariants of the packages of this district."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.sales.agreed.private_invariants import PRIVATE_OFFERS
from marketplace.sales.auctions.invariants import AUCTIONS
from marketplace.sales.auctions.reverse_invariants import CALLS
from marketplace.sales.orders.claim_invariants import CLAIMS
from marketplace.sales.orders.invariants import SALES
from marketplace.sales.subscriptions.invariants import SUBSCRIPTIONS

if TYPE_CHECKING:
    from marketplace.core.statements import Invariant

INVARIANTS: Final[tuple[Invariant, ...]] = (
    *SALES,
    *SUBSCRIPTIONS,
    *CLAIMS,
    *PRIVATE_OFFERS,
    *AUCTIONS,
    *CALLS,
)
