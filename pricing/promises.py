"""Promised minimums: by how much shares fall short of promises, exact to the unit.

The rule this file keeps: nobody's share is lowered to raise another's. A person who was promised more than their share
of a licence gets exactly the difference from elsewhere.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pricing.refusals import Mismatched, Negative, NotWhole, TooLarge

LIMIT: Final = 2**61
"""The sum of all shortfalls is below this, so that it fits 64 signed bits."""


def shortfall(shares: NDArray[np.int64], promised: NDArray[np.int64]) -> tuple[int, int]:
    """Return the total by which shares fall short of promises, and the number of people concerned.

    shares, promised: n >= 0 whole numbers >= 0 each, in the same order, 0 without a promise. Time is linear.
    Refuses Mismatched, NotWhole, Negative, and TooLarge if the sum may exceed 2**61.
    """
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
    short = np.maximum(promised.astype(np.int64, copy=False) - shares.astype(np.int64, copy=False), 0)
    people = int(np.count_nonzero(short))
    if people and int(short.max()) > LIMIT // people:
        msg = "the shortfalls are beyond what is summed exactly"
        raise TooLarge(msg)
    return int(short.sum()), people
