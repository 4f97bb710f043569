"""An exclusive window: sealed bids for one licence and a time in which nobody else may buy; second price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.instants import microseconds
from marketplace.core.words import Bilingual, Words
from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.sealed_rules import OneAmount

if TYPE_CHECKING:
    from marketplace.sales.auctions.rows import AuctionTerms


def _rule(_: AuctionTerms) -> Bilingual:
    return Words(
        "One licence, and nobody else may buy during the window. Bids are sealed; the highest wins and pays the second "
        "highest, or the reserve where that is more. So bid what it is worth to you: what you pay does not depend on your "
        "own bid."
    ).in_both()


def _terms(auction: AuctionTerms) -> dict[str, Any]:
    assert auction.exclusive_from, "an exclusive auction has a window"
    assert auction.exclusive_to, "an exclusive auction has a window"
    return {"exclusive": [microseconds(auction.exclusive_from), microseconds(auction.exclusive_to)]}


KIND: Final = AuctionKind(
    code="exclusive",
    title=Words("Exclusive window"),
    summary=Words("Sealed bids for one licence and a window in which nobody else may buy; second price."),
    price_rules={"second_price": "second_price"},
    bids=OneAmount(),
    rule=_rule,
    terms=_terms,
    has_window=True,
)
