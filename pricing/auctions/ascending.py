"""Ascending auction with proxy bidding: each bidder states a maximum, and the price rises only as far as it must.

The rule this file keeps: the state is a frozen value, one bid is one step, and the same bids in the same order give the
same state. Instants are whole microseconds since any fixed origin, passed in; a bid counts at the instant given.

The price is the second maximum plus one increment, but never above the first; a tie goes to the earlier bid, at its
amount; the leader raising its own maximum does not move the price. It is not quite truthful: as the increment is paid
on top of the second maximum, a bidder within one increment of it can gain by bidding less than its value.

Source: D. Lucking-Reiley, Auctions on the Internet, Journal of Industrial Economics 48(3), 2000, section V (proxy
bidding); A. Roth and A. Ockenfels, Last-minute bidding and the rules for ending second-price auctions, American
Economic Review 92(4), 2002 (why an ending that moves with late bids removes the gain from late bidding).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pricing.auctions.award import Award, Outcome, Reason, check_amounts
from pricing.money import Money, amount, whole
from pricing.refusals import Empty, OutOfRange


@dataclass(frozen=True, slots=True)
class AscendingTerms:
    """The rules of one auction, fixed before the first bid.

    start: the first price, and the reserve. increments_minor: (from, step) pairs: at a price of `from` or more, up to
    the next pair, the price rises by `step`; the first is from 0, both rise, steps >= 1. opens_at, closes_at: bids are
    accepted in [opens_at, closes_at), in microseconds. window: a bid in the last `window` microseconds that changes the
    leader or the price moves the end to its own instant plus `extension`, never earlier, and never later than closes_at
    plus most_extension. All three are zero for a hard close.
    """

    start: Money
    increments_minor: tuple[tuple[int, int], ...]
    opens_at: int
    closes_at: int
    window: int = 0
    extension: int = 0
    most_extension: int = 0

    def __post_init__(self) -> None:
        """Refuse Negative, NotWhole, Empty and OutOfRange."""
        check_amounts((self.start,), self.start.currency)
        if not self.increments_minor:
            msg = "an ascending auction needs at least one increment"
            raise Empty(msg)
        for threshold, step in self.increments_minor:
            amount(threshold, "an increment's threshold")
            amount(step, "an increment")
        thresholds = [threshold for threshold, _ in self.increments_minor]
        steps = [step for _, step in self.increments_minor]
        if thresholds[0] != 0 or sorted(set(thresholds)) != thresholds or steps[0] < 1 or sorted(steps) != steps:
            msg = "increments must start from 0, their thresholds rise and their steps, at least 1, never fall"
            raise OutOfRange(msg)
        for instant in (self.opens_at, self.closes_at, self.window, self.extension, self.most_extension):
            whole(instant, "an instant")
        if not self.opens_at < self.closes_at or min(self.window, self.extension, self.most_extension) < 0:
            msg = "an auction must open before it closes, and its window and extensions must not be negative"
            raise OutOfRange(msg)

    def increment_minor(self, price_minor: int) -> int:
        """Return the increment at a price of `price_minor` >= 0."""
        at = bisect_right(self.increments_minor, price_minor, key=lambda pair: pair[0]) - 1
        return self.increments_minor[at][1]


class BidAnswer(StrEnum):
    """The answer to a bid: stable keys that a page translates."""

    LEADING = "leading"
    OUTBID_AT_ONCE = "outbid_at_once"
    """Accepted, but an earlier maximum is as high or higher."""
    MAXIMUM_RAISED = "maximum_raised"
    """The leader's own bid; the price stays."""
    REFUSED_TOO_EARLY = "refused_too_early"
    REFUSED_TOO_LATE = "refused_too_late"
    REFUSED_BELOW_MINIMUM = "refused_below_minimum"
    REFUSED_NOT_A_RAISE = "refused_not_a_raise"
    """The leader must raise its own maximum or leave it."""


@dataclass(frozen=True, slots=True)
class ProxyBid:
    """A bidder's maximum and the instant it was received, in microseconds."""

    bidder: str
    maximum: Money
    at: int


@dataclass(frozen=True, slots=True)
class AscendingState:
    """The state of an auction after some bids; begin with `opened`.

    price: what the leader would pay now, None before the first bid. maxima: the accepted bids, the latest of each
    bidder, in order of acceptance. closes_at: after extensions by late bids.
    """

    terms: AscendingTerms
    closes_at: int
    leader: str | None = None
    price: Money | None = None
    maxima: tuple[ProxyBid, ...] = ()

    @property
    def minimum_bid(self) -> Money:
        """The least that a bid by anyone but the leader must offer: the start, or the price and one increment."""
        return Money(_minimum_minor(self), self.terms.start.currency)


def opened(terms: AscendingTerms) -> AscendingState:
    """Return the state before the first bid."""
    return AscendingState(terms, terms.closes_at)


def place(state: AscendingState, bid: ProxyBid) -> tuple[AscendingState, BidAnswer]:
    """Return the state after one bid and the answer to it; a refused bid leaves the state unchanged.

    Refuses (as an exception, being malformed rather than unlucky) Negative amounts and MixedCurrencies.
    """
    check_amounts((bid.maximum,), state.terms.start.currency)
    refusal = _refusal(state, bid)
    if refusal is not None:
        return state, refusal
    if bid.bidder == state.leader:
        # The leader keeps its place in time, so raising itself does not let a later tie pass it. Nor does it move the
        # end, or it could keep an auction open.
        raised = tuple(
            replace(accepted, maximum=bid.maximum) if accepted.bidder == bid.bidder else accepted
            for accepted in state.maxima
        )
        return AscendingState(state.terms, state.closes_at, state.leader, state.price, raised), BidAnswer.MAXIMUM_RAISED
    closes_at = _extended(state, bid.at)
    others = [accepted for accepted in state.maxima if accepted.bidder != bid.bidder]
    maxima, price = (*others, bid), state.terms.start
    if not others:
        return AscendingState(state.terms, closes_at, bid.bidder, price, maxima), BidAnswer.LEADING
    # max() keeps the first of equals, and maxima are in order of acceptance, so a tie goes to the earlier. A bid that
    # counts is above the price, so above all maxima but the best: one of these two is second.
    rival = max(others, key=lambda accepted: accepted.maximum.minor)
    best, second = (bid, rival) if bid.maximum.minor > rival.maximum.minor else (rival, bid)
    raised_price = second.maximum.minor + state.terms.increment_minor(second.maximum.minor)
    price = Money(min(best.maximum.minor, raised_price), price.currency)
    after = AscendingState(state.terms, closes_at, best.bidder, price, maxima)
    return after, BidAnswer.LEADING if best is bid else BidAnswer.OUTBID_AT_ONCE


def run(terms: AscendingTerms, bids: Sequence[ProxyBid]) -> tuple[AscendingState, tuple[BidAnswer, ...]]:
    """Return the state after bids in order, from the opening, and the answer to each."""
    state = opened(terms)
    answers = []
    for bid in bids:
        state, answer = place(state, bid)
        answers.append(answer)
    return state, tuple(answers)


def award(state: AscendingState) -> Award:
    """Return the outcome if no further bid comes: the leader wins at the price, the others were outbid."""
    zero = Money(0, state.terms.start.currency)
    highest = max((accepted.maximum.minor for accepted in state.maxima), default=None)
    outcomes = []
    for accepted in state.maxima:
        if state.price is not None and accepted.bidder == state.leader:
            outcomes.append(Outcome(accepted.bidder, 1, state.price, Reason.WON))
        else:
            tied = accepted.maximum.minor == highest
            outcomes.append(Outcome(accepted.bidder, 0, zero, Reason.TIED_LATER if tied else Reason.OUTBID))
    return Award(state.price, tuple(outcomes))


def _refusal(state: AscendingState, bid: ProxyBid) -> BidAnswer | None:
    """Return why a well-formed bid does not count, or None when it does."""
    if whole(bid.at, "an instant") < state.terms.opens_at:
        return BidAnswer.REFUSED_TOO_EARLY
    if bid.at >= state.closes_at:
        return BidAnswer.REFUSED_TOO_LATE
    if bid.bidder == state.leader:
        own = next(accepted for accepted in state.maxima if accepted.bidder == bid.bidder)
        return None if bid.maximum > own.maximum else BidAnswer.REFUSED_NOT_A_RAISE
    return None if bid.maximum.minor >= _minimum_minor(state) else BidAnswer.REFUSED_BELOW_MINIMUM


def _minimum_minor(state: AscendingState) -> int:
    if state.price is None:
        return state.terms.start.minor
    return state.price.minor + state.terms.increment_minor(state.price.minor)


def _extended(state: AscendingState, at: int) -> int:
    """Return the end after an accepted bid at this instant: the last window moves it on, at most to its bound."""
    terms = state.terms
    if at < state.closes_at - terms.window:
        return state.closes_at
    return min(max(state.closes_at, at + terms.extension), terms.closes_at + terms.most_extension)
