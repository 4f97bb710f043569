"""The input and the result of an auction: bids in order of arrival, and an award with a reason for everybody.

The rule this file keeps: an award names every bidder exactly once, a loser pays zero, and all amounts are of one
currency. Bids are given in the order in which they arrived, which settles ties: the earlier wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pricing.money import Money
from pricing.refusals import Duplicate, MixedCurrencies, Negative


class Reason(StrEnum):
    """Why a bidder won or lost: stable keys that a page translates."""

    WON = "won"
    OUTBID = "outbid"
    TIED_LATER = "tied_later"
    """As good as a winner's, but later."""
    BELOW_RESERVE = "below_reserve"
    OTHER_HALF_PRICED_HIGHER = "other_half_priced_higher"
    """Digital goods: the price from the other half is above this bid."""
    NO_OTHER_HALF = "no_other_half"
    """Digital goods: all bids are in one half, so nobody is offered a price."""
    ABOVE_RESERVE = "above_reserve"
    """Reverse: the ask is more than the buyer pays."""
    OVER_QUOTA = "over_quota"
    """Reverse: the stratum's quota is filled by people who asked for less."""
    BEYOND_DEPOSIT = "beyond_deposit"
    """Sealed: the bid is above the limit covered by its bidder's deposit, stated before opening, so it does not
    count."""
    OVER_BUDGET = "over_budget"
    """Reverse: paying one more person, at the price that results, exceeds the budget."""


@dataclass(frozen=True, slots=True)
class Bid:
    """The most `bidder` would pay for one licence."""

    bidder: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Outcome:
    """One bidder's result: `units` licences (0 for a loser), what it pays for all of them, and why."""

    bidder: str
    units: int
    pays: Money
    reason: Reason


@dataclass(frozen=True, slots=True)
class Award:
    """The end of an auction. outcomes: one per bidder, in the order of their bids.

    clearing_price: what one unit costs every winner, if the rule has such a price and something was sold; else None.
    """

    clearing_price: Money | None
    outcomes: tuple[Outcome, ...]

    @property
    def winners(self) -> tuple[str, ...]:
        """Bidders who got at least one unit, in the order of their bids."""
        return tuple(outcome.bidder for outcome in self.outcomes if outcome.units)

    def of(self, bidder: str) -> Outcome:
        """Return one bidder's outcome; KeyError for somebody who did not bid."""
        for outcome in self.outcomes:
            if outcome.bidder == bidder:
                return outcome
        raise KeyError(bidder)


def check_amounts(amounts: Iterable[Money], currency: str) -> None:
    """Refuse Negative amounts and MixedCurrencies."""
    for amount in amounts:
        if amount.currency != currency:
            msg = f"this auction is held in {currency}; a bid in {amount.currency} cannot be compared"
            raise MixedCurrencies(msg)
        if amount.minor < 0:
            msg = f"a bid must not be negative, but is {amount.minor}"
            raise Negative(msg)


def check_bidders(bidders: Iterable[str]) -> None:
    """Refuse Duplicate if a bidder, who has one bid, is named twice."""
    seen: set[str] = set()
    for bidder in bidders:
        if bidder in seen:
            msg = f"{bidder} bids twice; one bid a bidder, the last accepted one"
            raise Duplicate(msg)
        seen.add(bidder)
