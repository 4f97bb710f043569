"""Oracles of pricing: the same answers by trying everything, or by a formula of the textbook; for small cases alone."""

from collections.abc import Callable, Hashable, Sequence
from fractions import Fraction
from itertools import permutations, product
from math import factorial
from typing import Final, TypeVar

from pricing.auctions.award import Award, Bid
from pricing.auctions.bundles import Allocation, BundleBid
from pricing.auctions.bundles import _check as _check_bundles
from pricing.auctions.digital import _check as _check_bids
from pricing.auctions.digital import _offered, optimal_single_price, random_sampling_with
from pricing.money import Money, whole
from pricing.refusals import Duplicate, OutOfRange

Person = TypeVar("Person", bound=Hashable)
_MOST_COMBINATIONS: Final = 10**6
_MOST_BIDS: Final = 16
_MOST_SUBSETS: Final = 16
_MOST_PLAYERS: Final = 9


class TooHard(ValueError):  # noqa: N818 (the trade says refusal)
    """A search would take more work than is stated."""


def best_by_enumeration(bids: Sequence[BundleBid]) -> Allocation:
    """Return the same by trying everything: the reference for small cases; TooHard past a million combinations."""
    _check_bundles(bids, bids[0].amount.currency if bids else "XXX")
    by_bidder: dict[str, list[int | None]] = {}
    for at, bid in enumerate(bids):
        by_bidder.setdefault(bid.bidder, [None]).append(at)
    combinations = 1
    for choices in by_bidder.values():
        combinations *= len(choices)
    if combinations > _MOST_COMBINATIONS:
        msg = f"{combinations} combinations are too many to enumerate"
        raise TooHard(msg)
    best = Allocation((), 0)
    for picks in product(*by_bidder.values()):
        chosen = tuple(sorted(at for at in picks if at is not None))
        sold = [good for at in chosen for good in bids[at].goods]
        welfare = sum(bids[at].amount.minor for at in chosen)
        if len(sold) == len(set(sold)) and welfare > best.welfare:
            best = Allocation(chosen, welfare)
    return best


def deterministic_optimal_price(bids: Sequence[Bid], currency: str) -> Award:
    """Offer each bidder the best single price of all the others (DOP); a lone bidder is offered nothing.

    Truthful, but may earn next to nothing where it could earn much: use `random_sampling` instead, which cannot.
    Refuses Negative, MixedCurrencies, Duplicate.
    """
    _check_bids(bids, currency)
    offers = [
        optimal_single_price(others) if (others := [b.amount.minor for b in (*bids[:at], *bids[at + 1 :])]) else None
        for at in range(len(bids))
    ]
    return _offered(bids, offers, currency)


def expected_random_sampling_revenue(amounts: Sequence[int]) -> Fraction:
    """Return the exact expected revenue of RSOP in minor units, over all 2**n coins; TooHard above sixteen bids."""
    if len(amounts) > _MOST_BIDS:
        msg = f"{len(amounts)} bids have too many partitions to enumerate; at most {_MOST_BIDS} do not"
        raise TooHard(msg)
    bids = [Bid(str(at), Money(amount, "XXX")) for at, amount in enumerate(amounts)]
    earned = 0
    for coins in range(2 ** len(bids)):
        award = random_sampling_with(bids, "XXX", [bool(coins >> at & 1) for at in range(len(bids))])
        earned += sum(outcome.pays.minor for outcome in award.outcomes)
    return Fraction(earned, 2 ** len(bids))


def expected_revenue_uniform(bidders: int, reserve: Fraction) -> Fraction:
    """Return the exact expected revenue of a second-price auction with this reserve and values even over [0, 1].

    bidders: n >= 1. reserve: r in [0, 1]. n r**n (1 - r) for the one bidder who meets it alone, and for n >= 2 the
    mean of the second value where that is above r. Source: Krishna, Auction Theory, section 2.5.
    """
    if whole(bidders, "the number of bidders") < 1 or not 0 <= reserve <= 1:
        msg = "there must be a bidder and the reserve must be in [0, 1]"
        raise OutOfRange(msg)
    n = bidders
    alone = n * reserve**n * (1 - reserve)
    second = n * (n - 1) * ((1 - reserve**n) / Fraction(n) - (1 - reserve ** (n + 1)) / Fraction(n + 1))
    return alone + second


def shapley_by_orders(
    players: Sequence[Person], worth: Callable[[frozenset[Person]], Fraction | int]
) -> dict[Person, Fraction]:
    """Return each player's exact Shapley value of any game, by averaging over all orders of arrival.

    The reference for small games: time n! for n players, at most nine, else TooHard. worth(nobody) should be 0.
    Refuses Duplicate players. Source: Shapley 1953, section 6 (the bargaining model).
    """
    if len(players) > _MOST_PLAYERS:
        msg = f"{len(players)} players have too many orders to enumerate; at most {_MOST_PLAYERS} do not"
        raise TooHard(msg)
    if len(set(players)) != len(players):
        msg = "a player is named twice"
        raise Duplicate(msg)
    known: dict[frozenset[Person], Fraction] = {}
    value = dict.fromkeys(players, Fraction(0))
    for order in permutations(players):
        present: frozenset[Person] = frozenset()
        for player in order:
            joined = present | {player}
            for coalition in (present, joined):
                if coalition not in known:
                    known[coalition] = Fraction(worth(coalition))
            value[player] += known[joined] - known[present]
            present = joined
    return {player: total / factorial(len(players)) for player, total in value.items()}
