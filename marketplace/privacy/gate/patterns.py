"""Detect bad noise of the right size: cut short, on a lattice, shared by cells, drawn again, or on rounded counts.

Each test is one-sided against honest noise, independent and symmetric. It rejects it with a probability of at most
FALSE_ALARM, of which all tests of this file together are a part. Given the size of each noise, its sign is a fair coin;
so are the products of two signs at any one distance, whose pairs close no circle. A weighted sum of n fair coins
exceeds sqrt(2 L × the sum of squared weights) with a probability of at most e^-L.

In 10,000 noises they find one value in four shared with another cell, or cells that correlate by 0.3, at any distance.
They find noise cut at six times its scale, which rules a neighbour out once in four hundred cells. They find noise that
is a multiple of any number (up to BASES), or that plus a remainder, which reveals the remainder of the count. They find
a count rounded by a quarter of the scale before noise was added. Rounding to even numbers costs twice the stated loss;
`draws_wanted` is enough to find that.

Source: Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 1963.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy.gate.audit import masses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from marketplace.privacy import noise

FALSE_ALARM: Final = 1e-8
"""For each test: nine of them, with those of `audit`, keep a release's false alarm below one in a million."""
COUNTS: Final = 128
"""Crowds have so many different sizes, so that rounding shows."""
DRAWS: Final = 10_000
"""The least number of noises examined, of people and of events: that none exceeds six scales has probability 10^-8."""
MOST_DRAWS: Final = 40_000
DRAWS_A_SQUARE: Final = 300
"""Multiplied by the scale's square: with so many noises, rounding to even numbers shows in the signs nine times in
ten."""
LARGEST_SCALE: Final = 1_000.0
"""Beyond this scale a multiple is as rare as at it, or rarer."""
BASES: Final = 64
"""Rounding to a multiple of any number up to this is tested."""


def is_cut_short(largest: int, draws: int, law: noise.Law) -> bool:
    """Return whether no draw went further than `largest`; honest draws hardly ever stay within it."""
    beyond = 2 * law.tail(largest + 1)
    return draws * math.log1p(-min(beyond, 1 - 1e-16)) <= math.log(FALSE_ALARM)


def moves_together(one: NDArray[np.int64], other: NDArray[np.int64] | None = None) -> bool:
    """Return whether noises move together with others at some distance, or with those of another part if one is given.

    one, other: the noises of n places in a row, 0 where nothing was seen.
    """
    n = len(one)
    is_itself = other is None
    a, b = one.astype(float), (one if other is None else other).astype(float)
    sums, squares = (
        _at_each_distance(a, b, is_itself=is_itself),
        _at_each_distance(a**2, b**2, is_itself=is_itself),
    )
    most = math.log(2 * (n if is_itself else 2 * n) / FALSE_ALARM)
    return bool((np.abs(sums) > np.sqrt(2 * most * np.maximum(squares, 1.0)) + 1e-6 * np.sqrt(n)).any())


def _at_each_distance(a: NDArray[np.float64], b: NDArray[np.float64], *, is_itself: bool) -> NDArray[np.float64]:
    """Return the sum of a[i] × b[i + d] for each distance d; for a series with itself only d > 0."""
    n = len(a)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(a, size)
    whole = np.fft.irfft(np.conj(spectrum) * (spectrum if is_itself else np.fft.rfft(b, size)), size)
    return whole[1:n] if is_itself else np.concatenate([whole[:n], whole[size - n + 1 :]])


def follows_counts(noises: NDArray[np.int64], counts: NDArray[np.int64]) -> bool:
    """Return whether noises lean to one side: all of them, or in step with the counts' rounding errors.

    counts: the n true ones, spread over COUNTS.
    """
    different, at = np.unique(counts, return_inverse=True)
    shapes: list[NDArray[np.float64]] = [np.ones(len(different))]
    for base in range(2, BASES + 1):
        shapes += [np.asarray((different + shift) % base - (base - 1) / 2, np.float64) for shift in (0, base // 2)]
    each, most = np.stack(shapes), math.log(4 * len(shapes) / FALSE_ALARM)
    x = noises.astype(float)
    for one in (x, np.sign(x)):  # for Laplace noise the signs show a lean better than the sizes do
        sums, squares = (np.bincount(at, of, len(different)) for of in (one, one**2))
        if (np.abs(each @ sums) > np.sqrt(2 * most * (each**2 @ squares))).any():
            return True
    return False


def draws_wanted(scale: float) -> int:
    """Return how many noises of a scale show rounding to even numbers, within DRAWS and MOST_DRAWS."""
    return min(MOST_DRAWS, max(DRAWS, math.ceil(DRAWS_A_SQUARE * scale**2)))


def is_on_a_lattice(noises: NDArray[np.int64], law: noise.Law) -> bool:
    """Return whether noises have one remainder modulo some number more often than noise of the law does.

    A count plus a multiple of two has the parity of the count.
    """
    most = math.log(BASES * (BASES + 1) / (2 * FALSE_ALARM))
    different, times = np.unique(noises, return_counts=True)
    for base, honest in enumerate(_honest_remainders(type(law)(law.kind, min(law.scale, LARGEST_SCALE))), start=2):
        seen = np.bincount(different % base, times, base) / len(noises)
        if len(noises) * _divergence(seen, honest).max() > most:
            return True
    return False


@functools.lru_cache(maxsize=16)
def _honest_remainders(law: noise.Law) -> list[NDArray[np.float64]]:
    """Return for each base the most that each remainder's share of honest noise is, below 1."""
    known = masses(law)
    at = np.arange(len(known)) - len(known) // 2
    # The larger the scale, the nearer each share is to 1 / base, from one side.
    return [
        np.minimum(np.maximum(np.bincount(at % base, known, base), 1 / base), 1 - 1e-12) for base in range(2, BASES + 1)
    ]


def _divergence(seen: NDArray[np.float64], honest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how unlikely shares as large as those seen are: a binomial share reaches one with at most e^(-n × this)."""
    rest = np.maximum(1 - seen, 1e-300)
    found = seen * np.log(np.maximum(seen, 1e-300) / honest) + (1 - seen) * np.log(rest / (1 - honest))
    return np.asarray(np.where(seen > honest, found, 0.0), float)
