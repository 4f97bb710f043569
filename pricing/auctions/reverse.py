"""Reverse auctions: people state the least they would accept, and those who ask least are paid one price.

The rule this file keeps: nobody's own ask sets their payment, so asking one's true least is best. An award is a few
integers that give anybody's outcome in O(1), so tens of millions of asks need no row each; time is linear.

Asks are whole minor units (or micro-units) of one currency in an array, in order of arrival; ties go to the earlier.

Written rules. A uniform price needs one ask more than it has winners. Without it the auction refuses, unless a reserve
was stated, which is then the price. A budget is fixed before opening. An empty award is an answer, not a refusal.

Public API not used by the marketplace: `proportional_share`.

Source: J. Staiano et al., Money walks: a human-centric study on the economics of personal mobile data, UbiComp 2014,
section 3 (the rule, after Vickrey 1961); Y. Singer, Budget feasible mechanisms, FOCS 2010, section 4 (proportional
share, for equal values).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pricing.auctions.award import Reason
from pricing.money import MINOR_LIMIT, amount, whole
from pricing.refusals import Mismatched, Negative, NotEnoughAsks, NotWhole, OutOfRange, TooLarge

_CHUNK: Final = 2**18
_BUCKET_BITS: Final = 16

Asks = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ReverseAward:
    """The winners and their payment: their count, the one price, and the cutoff that separates them.

    An ask below cutoff_ask wins; so does one equal to it at a position in [0, cutoff_position). price_minor: each
    winner's payment, None without one. reserve_minor: as stated, or None. limit: why losers whose asks meet the reserve
    lost, OVER_QUOTA or OVER_BUDGET.
    """

    winners: int
    price_minor: int | None
    cutoff_ask: int
    cutoff_position: int
    reserve_minor: int | None
    limit: Reason

    @property
    def spent_minor(self) -> int:
        """The total payment of all winners."""
        return self.winners * (self.price_minor or 0)


def outcome_of(award: ReverseAward, ask: int, position: int) -> Reason:
    """Return WON, or why not, for this ask at this position of the array, in O(1)."""
    if award.winners and (ask < award.cutoff_ask or (ask == award.cutoff_ask and position < award.cutoff_position)):
        return Reason.WON
    if award.reserve_minor is not None and ask > award.reserve_minor:
        return Reason.ABOVE_RESERVE
    if award.winners and ask == award.cutoff_ask and award.cutoff_position:
        return Reason.TIED_LATER
    return award.limit


def winners_of(award: ReverseAward, asks: Asks) -> NDArray[np.bool_]:
    """Return whether each ask won, in the order of `asks`; refuses Mismatched if these are not the award's."""
    won = asks < award.cutoff_ask
    won[: award.cutoff_position] |= asks[: award.cutoff_position] == award.cutoff_ask
    if not award.winners:
        won[:] = False
    if int(np.count_nonzero(won)) != award.winners:
        msg = "these are not the asks this award was made from"
        raise Mismatched(msg)
    return won


def uniform_asks(asks: Asks, wanted: int, reserve_minor: int | None = None) -> ReverseAward:
    """Buy from the `wanted` lowest asks, paying each the next lowest: the (k+1)-th price, or the reserve if lower.

    asks: n >= 0 whole numbers in [0, 10**18). wanted: k >= 1. With n <= k the reserve must be stated, and all asks up
    to it win at it; else NotEnoughAsks. Truthful for one ask a person. Refuses NotWhole, Negative, TooLarge and
    OutOfRange.
    Source: Staiano et al. 2014, section 3.3.
    """
    asks = _checked(asks, reserve_minor)
    _check_wanted(wanted)
    if len(asks) <= wanted and reserve_minor is None:
        msg = f"{wanted} winners need {wanted + 1} asks to set their price; there are {len(asks)}, and no reserve"
        raise NotEnoughAsks(msg)
    return _cut(asks, wanted, reserve_minor, Reason.OVER_QUOTA)


def uniform_asks_within(
    asks: Asks, budget_minor: int, quota: int | None = None, reserve_minor: int | None = None
) -> ReverseAward:
    """Buy from as many as the budget pays at the (k+1)-th price: the largest k with k * c_(k+1) <= budget.

    budget_minor: in [0, 10**18), fixed before opening. quota: at most this many, >= 1, or no limit. A reserve excludes
    asks above it and replaces the ask after the last, so that all may win. Without a reserve at least two asks are
    needed, else NotEnoughAsks. As k * c_(k+1) never falls in k, the search ends where it first exceeds the budget.
    Truthful. Refuses as `uniform_asks` does.
    """
    asks = _checked(asks, reserve_minor)
    amount(budget_minor, "the budget")
    least = 2
    if reserve_minor is None and len(asks) < least:
        msg = f"a price that no winner sets itself needs two asks; there are {len(asks)}, and no reserve"
        raise NotEnoughAsks(msg)
    eligible = len(asks) if reserve_minor is None else int(np.count_nonzero(asks <= reserve_minor))
    paid_for = _affordable(asks, budget_minor, 0) - 1
    if reserve_minor is not None and paid_for >= eligible - 1 and eligible * reserve_minor <= budget_minor:
        paid_for = eligible
    count = min(paid_for, eligible)
    limit = Reason.OVER_BUDGET
    if quota is not None and _check_wanted(quota) <= count:
        count, limit = quota, Reason.OVER_QUOTA
    return _cut(asks, count, reserve_minor, limit)


def proportional_share(asks: Asks, budget_minor: int, quota: int | None = None) -> ReverseAward:
    """Buy from the largest k with k * c_k <= budget, paying each min(budget // k, c_(k+1)).

    Spends more of a budget than `uniform_asks_within`, as the price need not be one more person's ask. Truthful and
    within budget. budget_minor in [0, 10**18); quota >= 1 or no limit. Refuses as `uniform_asks` does; without asks
    there is no award. Source: Singer 2010, section 4, with unit values.
    """
    asks = _checked(asks, None)
    amount(budget_minor, "the budget")
    count, limit = _affordable(asks, budget_minor, 1), Reason.OVER_BUDGET
    if quota is not None and _check_wanted(quota) <= count:
        count, limit = quota, Reason.OVER_QUOTA
    if count == 0:
        return ReverseAward(0, None, 0, 0, None, limit)
    even = budget_minor // count
    if count == len(asks):
        return ReverseAward(count, even, MINOR_LIMIT, 0, None, limit)
    cut = _cut(asks, count, None, limit)
    following = cut.price_minor if cut.price_minor is not None else even
    return ReverseAward(count, min(even, following), cut.cutoff_ask, cut.cutoff_position, None, limit)


@dataclass(frozen=True, slots=True)
class StratumTerms:
    """Terms of one stratum: a quota >= 1, a budget fixed before opening or None, a reserve or None."""

    quota: int
    budget_minor: int | None = None
    reserve_minor: int | None = None


def by_stratum(
    asks: Asks, strata: NDArray[np.int64], terms: Mapping[int, StratumTerms]
) -> dict[int, ReverseAward | NotEnoughAsks]:
    """Hold one auction per stratum: its award, or why it has none; one short stratum does not stop the others.

    strata: the stratum of each ask; positions in an award count within its stratum, in order. Refuses Mismatched if
    strata and asks differ in length or an ask has a stratum without terms, and what each auction refuses except
    NotEnoughAsks.
    """
    if len(strata) != len(asks):
        msg = f"{len(asks)} asks are in {len(strata)} strata; each is in one"
        raise Mismatched(msg)
    unknown = set(np.unique(strata).tolist()) - set(terms)
    if unknown:
        msg = f"no terms are stated for strata {sorted(unknown)}"
        raise Mismatched(msg)
    awards: dict[int, ReverseAward | NotEnoughAsks] = {}
    for stratum, wanted in terms.items():
        own = asks[strata == stratum]
        try:
            if wanted.budget_minor is None:
                awards[stratum] = uniform_asks(own, wanted.quota, wanted.reserve_minor)
            else:
                awards[stratum] = uniform_asks_within(own, wanted.budget_minor, wanted.quota, wanted.reserve_minor)
        except NotEnoughAsks as refusal:
            awards[stratum] = refusal
    return awards


def _cut(asks: Asks, count: int, reserve_minor: int | None, limit: Reason) -> ReverseAward:
    """Return the award to the `count` lowest asks that meet the reserve, at the next ask or the reserve if lower."""
    if count == 0:
        return ReverseAward(0, None, 0, 0, reserve_minor, limit)
    following, below = _ranked(asks, count) if count < len(asks) else (MINOR_LIMIT, len(asks))
    if reserve_minor is not None and following > reserve_minor:
        won = int(np.count_nonzero(asks <= reserve_minor))
        price = reserve_minor if won else None
        return ReverseAward(won, price, reserve_minor + 1, 0, reserve_minor, limit)
    position = 0
    if below < count:
        # The price itself is tied with the last winners, who are the earliest of those with that ask.
        position = _position_of(asks, following, count - below) + 1
    return ReverseAward(count, following, following, position, reserve_minor, limit)


def _ranked(asks: Asks, rank: int) -> tuple[int, int]:
    """Return the ask with exactly `rank` others before it in ascending order, and the number of asks below its value.

    Asks are counted by their high bits, and only the bucket with the rank is sorted.
    """
    counts, shift = _histogram(asks)
    reached = np.cumsum(counts)
    bucket = int(np.searchsorted(reached, rank, side="right"))
    before = int(reached[bucket] - counts[bucket])
    inside = _bucket(asks, bucket, shift)
    value = int(np.partition(inside, rank - before)[rank - before])
    return value, before + int(np.count_nonzero(inside < value))


def _affordable(asks: Asks, budget: int, offset: int) -> int:
    """Return how many ranks r = 0, 1, … have (r + offset) * c_r <= budget; c_r is the ask of that rank.

    The product never falls in r, so these are the first ones. offset: 0 or 1.
    """
    if len(asks) == 0:
        return 0
    counts, shift = _histogram(asks)
    reached = np.cumsum(counts)
    for bucket in np.flatnonzero(counts)[::-1].tolist():
        before = int(reached[bucket] - counts[bucket])
        if (before + offset) * (bucket << shift) > budget:
            continue
        inside = np.sort(_bucket(asks, bucket, shift))
        ranks = np.arange(before + offset, before + offset + len(inside), dtype=np.int64)
        # Dividing the budget stays within 64 bits, unlike multiplying the asks; rank 0 costs nothing.
        fits = (ranks == 0) | (inside <= budget // np.maximum(ranks, 1))
        if fits[0]:
            return before + int(np.count_nonzero(fits))
    return 0


def _histogram(asks: Asks) -> tuple[NDArray[np.intp], int]:
    """Return the number of asks for each value of their high bits, and the number of low bits dropped."""
    shift = max(0, int(asks.max()).bit_length() - _BUCKET_BITS)
    counts = np.zeros(1 << _BUCKET_BITS, dtype=np.intp)
    for chunk in _chunks(asks):
        counts += np.bincount(chunk >> shift, minlength=1 << _BUCKET_BITS)
    return counts, shift


def _bucket(asks: Asks, bucket: int, shift: int) -> Asks:
    """Return the asks of one bucket, in order."""
    low, high = bucket << shift, (bucket + 1) << shift
    return np.concatenate([chunk[(chunk >= low) & (chunk < high)] for chunk in _chunks(asks)])


def _position_of(asks: Asks, value: int, number: int) -> int:
    """Return the position of the `number`-th ask, from 1, that equals `value`."""
    start = 0
    for chunk in _chunks(asks):
        places = np.flatnonzero(chunk == value)
        if len(places) >= number:
            return start + int(places[number - 1])
        number -= len(places)
        start += len(chunk)
    raise AssertionError  # pragma: no cover - the caller counted them.


def _chunks(asks: Asks) -> Iterator[Asks]:
    for start in range(0, len(asks), _CHUNK):
        yield asks[start : start + _CHUNK]


def _checked(asks: Asks, reserve_minor: int | None) -> Asks:
    """Return the asks as int64; refuses anything but a row of whole amounts, and a reserve that is no amount."""
    if asks.ndim != 1 or asks.dtype.kind not in "iu":
        msg = f"asks are one row of whole numbers, not {asks.ndim} dimensions of {asks.dtype}"
        raise NotWhole(msg)
    if len(asks) and int(asks.min()) < 0:
        msg = "an ask must not be negative"
        raise Negative(msg)
    if len(asks) and int(asks.max()) >= MINOR_LIMIT:
        msg = f"an ask must be below {MINOR_LIMIT}"
        raise TooLarge(msg)
    if reserve_minor is not None:
        amount(reserve_minor, "the reserve")
    return asks.astype(np.int64, copy=False)


def _check_wanted(wanted: int) -> int:
    if whole(wanted, "the number wanted") < 1:
        msg = f"at least one must be wanted, not {wanted}"
        raise OutOfRange(msg)
    return wanted
