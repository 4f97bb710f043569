"""Promised minimums: what is added to shares that fall short of what people were promised, exact to the unit.

The rule this file keeps: nobody's share is lowered to raise another's. A person who was promised more than their share of a
licence gets the difference from elsewhere, in whole units of `unit` together (books may be kept in cents where shares
are in micro-euros); what the rounding up leaves over goes to the same people, evenly, the earlier positions first. Four
integers (`TopUp`) then say what anybody is added, in O(1) from their share, promise and position.

Where shares are by a public denominator nobody gets anything of that rounding: each is added their own `shortfall`.

Public API beside what the marketplace uses: `top_up` and `topped_up`, which licences of the exact rule were topped up by.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pricing.money import amount, whole
from pricing.refusals import Mismatched, Negative, NotWhole, OutOfRange, TooLarge

LIMIT: Final = 2**61
"""All shortfalls together are below this, so that their sum fits 64 signed bits."""


@dataclass(frozen=True, slots=True)
class TopUp:
    """What is added to the shares of one licence: `amount` in all, to `people` who fell short.

    each: what the rounding up gives each of them; those at a position in [0, cutoff_position) get one unit
    more. amount is a whole multiple of the unit it was rounded up to.
    """

    amount: int
    people: int
    each: int
    cutoff_position: int

    def __post_init__(self) -> None:
        """Refuse NotWhole, Negative, and OutOfRange where nobody is topped up with something."""
        amount(self.amount, "a top-up")
        for value in (self.people, self.each, self.cutoff_position):
            if whole(value, "a part of a top-up") < 0:
                msg = f"no part of a top-up is negative, but {value} is"
                raise Negative(msg)
        if (self.people == 0) != (self.amount == 0):
            msg = f"{self.people} people cannot be topped up with {self.amount}"
            raise OutOfRange(msg)


NOTHING: Final = TopUp(0, 0, 0, 0)


def shortfall(shares: NDArray[np.int64], promised: NDArray[np.int64]) -> tuple[int, int]:
    """Return by how much shares fall short of what was promised in all, and of how many people.

    shares, promised: n >= 0 whole numbers >= 0 each, in the same order, 0 where nothing was promised. Refuses
    Mismatched, NotWhole, Negative, and TooLarge where the sum may pass 2**61.
    """
    short = _shortfalls(shares, promised)
    people = int(np.count_nonzero(short))
    if people and int(short.max()) > LIMIT // people:
        msg = "the shortfalls are beyond what is summed exactly"
        raise TooLarge(msg)
    return int(short.sum()), people


def top_up(shares: NDArray[np.int64], promised: NDArray[np.int64], unit: int) -> TopUp:
    """Return what makes every share at least what was promised.

    shares: n >= 0 whole numbers >= 0. promised: n whole numbers >= 0 in the same order, 0 where nothing was. unit: >= 1.
    Time is linear. Refuses Mismatched, NotWhole, Negative, OutOfRange, and TooLarge where it passes 2**61.
    """
    if whole(unit, "the unit") < 1:
        msg = f"a unit is at least one, not {unit}"
        raise OutOfRange(msg)
    total, people = shortfall(shares, promised)
    if people == 0:
        return NOTHING
    places = np.flatnonzero(_shortfalls(shares, promised))
    rounded = -(-total // unit) * unit
    each, more = divmod(rounded - total, people)
    return TopUp(rounded, people, each, int(places[more - 1]) + 1 if more else 0)


def topped_up(found: TopUp, shares: NDArray[np.int64], promised: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return what everybody is added: n whole numbers summing exactly to found.amount.

    shares, promised: n >= 0 whole numbers >= 0 each, in the same units, any integer dtype, in the manifest's order.
    Refuses Mismatched where these are not the shares and promises it was made from, and as `top_up` does.
    """
    added = _shortfalls(shares, promised)
    fell_short = added > 0
    added[fell_short] += found.each
    head = added[: found.cutoff_position]
    head[fell_short[: found.cutoff_position]] += 1
    if int(added.sum()) != found.amount:
        msg = "these are not the shares and promises this was made from"
        raise Mismatched(msg)
    return added


def added_to(found: TopUp, share: int, promised: int, position: int) -> int:
    """Return what one person is added, in O(1); equals `topped_up(…)[position]`. Refuses NotWhole and Negative."""
    if min(whole(share, "a share"), whole(promised, "a promise"), whole(position, "a position")) < 0:
        msg = "a share, a promise and a position are not negative"
        raise Negative(msg)
    if promised <= share:
        return 0
    return promised - share + found.each + (position < found.cutoff_position)


def _shortfalls(shares: NDArray[np.int64], promised: NDArray[np.int64]) -> NDArray[np.int64]:
    if shares.shape != promised.shape or shares.ndim != 1:
        msg = f"{shares.shape} shares have {promised.shape} promises; each has one"
        raise Mismatched(msg)
    for values in (shares, promised):
        if values.dtype.kind not in "iu":
            msg = f"shares and promises are whole numbers, not {values.dtype}"
            raise NotWhole(msg)
        if len(values) and int(values.min()) < 0:
            msg = "a share and a promise are not negative"
            raise Negative(msg)
    return np.maximum(promised.astype(np.int64, copy=False) - shares.astype(np.int64, copy=False), 0)
