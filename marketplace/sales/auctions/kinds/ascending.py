"""A live auction: open bids by proxy, a price that rises, and an end that a late bid moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marketplace.core.words import Bilingual, Words
from marketplace.sales.auctions.kind_rules import AuctionKind
from marketplace.sales.auctions.open_rules import ProxyBids

if TYPE_CHECKING:
    from marketplace.sales.auctions.rows import AuctionTerms


def _rule(auction: AuctionTerms) -> Bilingual:
    return Words(
        "State the most you would pay; the site bids for you, only as far as it must. The highest maximum wins, at "
        "one step above the second. In the last {seconds} seconds a bid that changes the leader or the price moves the "
        "end, by {minutes} minutes at most in all, so that nobody gains by being last."
    ).in_both(seconds=str(auction.window_seconds), minutes=str(auction.most_extension_seconds // 60))


def _terms(auction: AuctionTerms) -> dict[str, Any]:
    return {
        "start_minor": auction.reserve_minor,
        "increments_minor": [list(step) for step in zip(auction.steps_from_minor, auction.steps_minor, strict=True)],
        "window": auction.window_seconds * 1_000_000,
        "extension": auction.extension_seconds * 1_000_000,
        "most_extension": auction.most_extension_seconds * 1_000_000,
    }


KIND: Final = AuctionKind(
    code="ascending",
    title=Words("Live auction"),
    summary=Words("Open bids, a proxy maximum each, a soft close."),
    price_rules={"proxy": "ascending"},
    bids=ProxyBids(),
    rule=_rule,
    terms=_terms,
)
