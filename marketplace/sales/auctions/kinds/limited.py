"""Limited licences: sealed bids for so many licences; all winners pay the highest losing bid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.words import Bilingual, Words
from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.sealed_rules import OneAmount

if TYPE_CHECKING:
    from marketplace.sales.auctions.rows import AuctionTerms


def _rule(auction: AuctionTerms) -> Bilingual:
    if auction.licences == 1:
        return Words(
            "One licence goes to the highest sealed bid, which pays the best bid that did not win, or the reserve. So bid "
            "what it is worth to you."
        ).in_both()
    return Words(
        "{licences} licences go to the highest sealed bids, and all winners pay the same: the best bid that did "
        "not win, or the reserve. So bid what a licence is worth to you."
    ).in_both(licences=str(auction.licences))


def _terms(auction: AuctionTerms) -> dict[str, Any]:
    return {"licences": auction.licences}


KIND: Final = AuctionKind(
    code="limited",
    title=Words("Limited licences"),
    summary=Words("Sealed bids for so many licences; all winners pay the best losing bid."),
    price_rules={"uniform_price": "uniform_price"},
    bids=OneAmount(),
    rule=_rule,
    terms=_terms,
    most_licences=1000,
)
