"""Open bids by proxy, as `pricing.auctions.ascending` decides them: each bidder states a maximum.

All rules of bidding are here: an action locks the auction's row, and writes what this module decides. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from marketplace.core.instants import instant_of, microseconds
from marketplace.core.web.formats import read_cents
from marketplace.core.words import Words
from marketplace.sales.auctions.kind_rules import BidField, Package
from pricing.auctions.ascending import AscendingState, AscendingTerms, BidAnswer, ProxyBid, place
from pricing.money import Money

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Mapping, Sequence

    from marketplace.sales.auctions.rows import AuctionNow, AuctionTerms, Bid, Lot


def terms_of(auction: AuctionTerms) -> AscendingTerms:
    """Return an auction's rule in the form of `pricing`."""
    return AscendingTerms(
        Money(auction.reserve_minor, auction.currency),
        tuple(zip(auction.steps_from_minor, auction.steps_minor, strict=True)),
        microseconds(auction.opens_at),
        microseconds(auction.scheduled_close_at),
        auction.window_seconds * 1_000_000,
        auction.extension_seconds * 1_000_000,
        auction.most_extension_seconds * 1_000_000,
    )


def state_of(auction: AuctionNow) -> AscendingState:
    """Return the state of the bidding, from the auction's row alone.

    The next step needs only the leader's maximum and the price: the second maximum is never above the price, and any
    bid that counts is above the price.
    """
    terms, closes_at = terms_of(auction), microseconds(auction.closes_at)
    if auction.leader is None or auction.leading_maximum_minor is None or auction.price_minor is None:
        return AscendingState(terms, closes_at)
    leader, currency = auction.leader.hex, auction.currency
    leading = ProxyBid(leader, Money(auction.leading_maximum_minor, currency), terms.opens_at)
    return AscendingState(terms, closes_at, leader, Money(auction.price_minor, currency), (leading,))


class ProxyBidding:
    """An ascending auction with its row locked; see `kind_rules.Bidding`."""

    def __init__(self, auction: AuctionNow) -> None:
        """Begin with the auction as it is."""
        self.auction, self.state = auction, state_of(auction)
        self.leader, self.leading_maximum_minor = auction.leader, auction.leading_maximum_minor
        self.price_minor, self.closes_at = auction.price_minor, auction.closes_at

    def place(self, partner: uuid.UUID, maximum_minor: int, at: dt.datetime) -> str:
        """Accept or refuse a bid received at `at`.

        In an auction that a job has closed no bid counts, even before its end.
        """
        if self.auction.state != "open":
            return BidAnswer.REFUSED_TOO_EARLY if at < self.auction.opens_at else BidAnswer.REFUSED_TOO_LATE
        bid = ProxyBid(partner.hex, Money(maximum_minor, self.auction.currency), microseconds(at))
        after, answer = place(self.state, bid)
        if after is not self.state:
            leading = next(one for one in after.maxima if one.bidder == after.leader)
            if leading is bid:
                self.leader = partner
            if after.closes_at != self.state.closes_at:
                self.closes_at = instant_of(after.closes_at)
            # The state of `state_of` suffices: a bid costs the same however many came before it.
            self.state = AscendingState(after.terms, after.closes_at, after.leader, after.price, (leading,))
            self.leading_maximum_minor = leading.maximum.minor
            self.price_minor = after.price.minor if after.price else None
        return answer


class ProxyBids:
    """The form, the minimum and the transcript of open bids; see `kind_rules.OpenBids`."""

    is_sealed: Literal[False] = False

    def fields(self, auction: AuctionNow, lots: Sequence[Lot]) -> list[BidField]:
        """Return the one field: a maximum."""
        del lots
        label = Words("Your maximum, in euros")
        return [BidField("amount", label, self.minimum_minor(auction), is_required=True)]

    def read(self, typed: Mapping[str, Any], lots: int) -> list[Package]:
        """Return the maximum that was typed, for all lots."""
        return [Package(range(lots), read_cents(str(typed.get("amount", ""))))]

    def minimum_minor(self, auction: AuctionNow) -> int:
        """Return the next step of the price."""
        return state_of(auction).minimum_bid.minor

    def begin(self, auction: AuctionNow) -> ProxyBidding:
        """Return the auction as it is now, to place bids in."""
        return ProxyBidding(auction)

    def reveals(self, bid: Bid, content: Mapping[str, Any], nonce: str) -> list[dict[str, Any]]:
        """Return a bid as transcripts show it: its maximum, and when it was received."""
        del content, nonce
        return [
            {"bidder": bid.pseudonym, "maximum_minor": bid.maximum_minor, "at": microseconds(bid.received_at)},
        ]
