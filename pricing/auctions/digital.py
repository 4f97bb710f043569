"""Digital goods: licences that can be copied for nothing, priced by the bids themselves and still truthful.

The rule this file keeps: no bid influences the price its bidder is offered. The supply is unlimited, so only the price
must be found, and each bidder's is set by others.

Public API not used by the marketplace: `optimal_single_price`, `random_sampling`, `random_sampling_with`.

Source: A. Goldberg, J. Hartline and A. Wright, Competitive auctions and digital goods, SODA 2001, section 3 (DOP) and
section 5 (RSOP).
"""

from collections.abc import Sequence

import numpy as np

from pricing.auctions.award import Award, Bid, Outcome, Reason, check_amounts, check_bidders
from pricing.money import Money
from pricing.refusals import Empty, Mismatched


def optimal_single_price(amounts: Sequence[int]) -> int:
    """Return the one price that earns most from these bids, in minor units; the higher of two that earn the same.

    amounts: at least one, each >= 0. Refuses Empty.
    """
    if not amounts:
        msg = "without a bid there is no price to choose"
        raise Empty(msg)
    ranked = sorted(amounts, reverse=True)
    # Of equal revenues max() keeps the first, which is the higher price.
    return max(enumerate(ranked, start=1), key=lambda pair: pair[0] * pair[1])[1]


def random_sampling(bids: Sequence[Bid], currency: str, rng: np.random.Generator) -> Award:
    """Divide the bidders by fair coins and offer each half the best single price of the other (RSOP).

    Truthful, and earns in expectation at least a fixed part of the best single price that sells to two or more.
    Refuses Negative, MixedCurrencies, Duplicate.
    """
    return random_sampling_with(bids, currency, [bool(side) for side in rng.integers(0, 2, len(bids))])


def random_sampling_with(bids: Sequence[Bid], currency: str, sides: Sequence[bool]) -> Award:
    """Return the award of RSOP for given coins: `sides`, one per bid.

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


def _check(bids: Sequence[Bid], currency: str) -> None:
    check_amounts((bid.amount for bid in bids), currency)
    check_bidders(bid.bidder for bid in bids)


def _offered(bids: Sequence[Bid], offers: Sequence[int | None], currency: str) -> Award:
    """Return the bidders who accept their offered price; None is no offer."""
    outcomes = []
    for bid, offer in zip(bids, offers, strict=True):
        if offer is None:
            outcomes.append(Outcome(bid.bidder, 0, Money(0, currency), Reason.NO_OTHER_HALF))
        elif bid.amount.minor >= offer:
            outcomes.append(Outcome(bid.bidder, 1, Money(offer, currency), Reason.WON))
        else:
            outcomes.append(Outcome(bid.bidder, 0, Money(0, currency), Reason.OTHER_HALF_PRICED_HIGHER))
    return Award(None, tuple(outcomes))
