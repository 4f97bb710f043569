"""Digital goods: licences that can be copied for nothing, priced by the bids themselves and still truthful.

The rule this file keeps: nobody's bid touches the price it is offered. The supply is unlimited, so the question is only
the price, and each bidder's is set by others.

Source: A. Goldberg, J. Hartline and A. Wright, Competitive auctions and digital goods, SODA 2001, section 3 (DOP) and
section 5 (RSOP).
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from pricing.auctions.award import Award, Bid, Outcome, Reason, check_amounts, check_bidders
from pricing.money import Money
from pricing.refusals import Empty, Mismatched, TooHard

_MOST_ENUMERATED = 16


def optimal_single_price(amounts: Sequence[int]) -> int:
    """Return the one price that earns most from these bids, in minor units; the higher one where two earn the same.

    amounts: at least one, each >= 0. Refuses Empty.
    """
    if not amounts:
        msg = "without a bid there is no price to choose"
        raise Empty(msg)
    ranked = sorted(amounts, reverse=True)
    # Of equal revenues max() keeps the first, which is the higher price.
    return max(enumerate(ranked, start=1), key=lambda pair: pair[0] * pair[1])[1]


def deterministic_optimal_price(bids: Sequence[Bid], currency: str) -> Award:
    """Offer each bidder the best single price of all the others (DOP); a lone bidder is offered nothing.

    Truthful, but may earn next to nothing where it could earn much: use `random_sampling` instead, which cannot.
    Refuses Negative, MixedCurrencies, Duplicate.
    """
    _check(bids, currency)
    offers = [
        optimal_single_price(others) if (others := [b.amount.minor for b in (*bids[:at], *bids[at + 1 :])]) else None
        for at in range(len(bids))
    ]
    return _offered(bids, offers, currency)


def random_sampling(bids: Sequence[Bid], currency: str, rng: np.random.Generator) -> Award:
    """Part the bidders by fair coins and offer each half the best single price of the other (RSOP).

    Truthful, and earns in expectation at least a fixed part of the best single price that sells to two or more.
    Refuses Negative, MixedCurrencies, Duplicate.
    """
    return random_sampling_with(bids, currency, [bool(side) for side in rng.integers(0, 2, len(bids))])


def random_sampling_with(bids: Sequence[Bid], currency: str, sides: Sequence[bool]) -> Award:
    """Return the award of RSOP once the coins have fallen: `sides`, one per bid.

    An empty half sells nothing and offers nothing. Refuses Mismatched, Negative, MixedCurrencies, Duplicate.
    """
    _check(bids, currency)
    if len(sides) != len(bids):
        msg = f"{len(bids)} bids need as many coins, not {len(sides)}"
        raise Mismatched(msg)
    halves = {
        side: [bid.amount.minor for bid, own in zip(bids, sides, strict=True) if own is side] for side in (False, True)
    }
    prices = {side: optimal_single_price(amounts) if amounts else None for side, amounts in halves.items()}
    return _offered(bids, [prices[not side] for side in sides], currency)


def expected_random_sampling_revenue(amounts: Sequence[int]) -> Fraction:
    """Return the exact expected revenue of RSOP in minor units, over all 2**n coins; TooHard above sixteen bids."""
    if len(amounts) > _MOST_ENUMERATED:
        msg = f"{len(amounts)} bids have too many partitions to enumerate; at most {_MOST_ENUMERATED} do not"
        raise TooHard(msg)
    bids = [Bid(str(at), Money(amount, "XXX")) for at, amount in enumerate(amounts)]
    earned = 0
    for coins in range(2 ** len(bids)):
        award = random_sampling_with(bids, "XXX", [bool(coins >> at & 1) for at in range(len(bids))])
        earned += sum(outcome.pays.minor for outcome in award.outcomes)
    return Fraction(earned, 2 ** len(bids))


def _check(bids: Sequence[Bid], currency: str) -> None:
    check_amounts((bid.amount for bid in bids), currency)
    check_bidders(bid.bidder for bid in bids)


def _offered(bids: Sequence[Bid], offers: Sequence[int | None], currency: str) -> Award:
    """Return who takes the price it is offered; None is no offer."""
    outcomes = []
    for bid, offer in zip(bids, offers, strict=True):
        if offer is None:
            outcomes.append(Outcome(bid.bidder, 0, Money(0, currency), Reason.NO_OTHER_HALF))
        elif bid.amount.minor >= offer:
            outcomes.append(Outcome(bid.bidder, 1, Money(offer, currency), Reason.WON))
        else:
            outcomes.append(Outcome(bid.bidder, 0, Money(0, currency), Reason.OTHER_HALF_PRICED_HIGHER))
    return Award(None, tuple(outcomes))
