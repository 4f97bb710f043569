"""What data is worth while it is in use: each hour of data in each hour of use, halved by every half-life between them.

The rule this file keeps: the worth of a span of data during a span of use is a sum of whole numbers >= 0, one for each
pair of their hours. So a week of data is worth its days and a year of use its months, to the last unit, at every age.

The sum has a closed form. Let L(n) be what is left of a worth after n hours, a convex sequence of whole numbers that ends
at zero. The second difference of L at n is the worth of one hour of data in the hour of use n hours later, and second
differences telescope.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from pricing.money import whole
from pricing.refusals import OutOfRange

UNIT: Final = 10**40
"""What is left of a whole after no time."""
ONE_OVER_LN_2: Final = 14_426_950_408_889_634_073_599_246_810_018_921_374_266
"""In the same units: what an hour of data is worth for good is its share of a half-life, times ln 2."""
MOST_HALF_LIFE_HOURS: Final = 100_000
"""The longest half-life, eleven years: up to there the sequence is convex after rounding."""
_LAST: Final = 64
"""After so many half-lives nothing is left: a twenty-quintillionth was."""
_ARITHMETIC: Final = Context(prec=70, rounding=ROUND_HALF_EVEN)
_LN_2: Final = _ARITHMETIC.ln(Decimal(2))


class Hours(NamedTuple):
    """Whole hours from `start` up to `end`, counted from one instant for all; end None: for good."""

    start: int
    end: int | None


def worth_in_use(data: Hours, use: Hours, half_life_hours: int) -> int:
    """Return what the data of `data` are worth during `use`, in units of UNIT × ln 2 an hour of data and half-life.

    data: ends, not before it starts, and by the time that the use starts. use: not empty. half_life_hours: in
    [1, MOST_HALF_LIFE_HOURS]. Adds up exactly over abutting spans of data and of use; never rises when the use starts
    later or ends earlier. Refuses NotWhole, OutOfRange.
    """
    if not 1 <= whole(half_life_hours, "a half-life") <= MOST_HALF_LIFE_HOURS:
        msg = f"a half-life must be in [1, {MOST_HALF_LIFE_HOURS}] hours, but is {half_life_hours}"
        raise OutOfRange(msg)
    if data.end is None or not data.start <= data.end <= use.start or (use.end is not None and use.end <= use.start):
        msg = f"data must end before their use starts, and the use last, but they are {data} and {use}"
        raise OutOfRange(msg)
    for_good = _left(use.start - data.end, half_life_hours) - _left(use.start - data.start, half_life_hours)
    if use.end is None:
        return for_good
    return for_good - _left(use.end - data.end, half_life_hours) + _left(use.end - data.start, half_life_hours)


@lru_cache(maxsize=1 << 16)
def _left(hours: int, half_life_hours: int) -> int:
    """Return a convex sequence that falls to zero: 2 ** (-hours / half-life) in units, less its tangent at the end."""
    end = _LAST * half_life_hours
    if hours >= end:
        return 0
    last = _halved(end, half_life_hours)
    return _halved(hours, half_life_hours) - last - (end - hours) * (_halved(end - 1, half_life_hours) - last)


def _halved(hours: int, half_life_hours: int) -> int:
    """Return 2 ** (-hours / half-life) in units, to the nearest."""
    exponent = _ARITHMETIC.divide(_ARITHMETIC.multiply(Decimal(-hours), _LN_2), Decimal(half_life_hours))
    return int(_ARITHMETIC.to_integral_value(_ARITHMETIC.multiply(_ARITHMETIC.exp(exponent), Decimal(UNIT))))
