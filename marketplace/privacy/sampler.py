"""An exact integer sampler of discrete Laplace and Gaussian noise for key sets of millions: a table of 128 bits.

A uniform number of 128 bits falls between two of the table's boundaries, the whole numbers `floor(2^128 P(X <= k))`. No
float is used in a draw, so its low bits reveal nothing of the count. The law of a draw differs from the ideal one by
less than `Table.gap` in total variation: the tail that is cut off and the rounding of the boundaries.

Most draws need only the first sixteen bits: if those allow one value, the other 112 are not read.

**Draws are keyed**, by AES in counter mode, with a random key of each build that nobody else has. So nobody can cancel
the noise by subtracting two draws.

Source: Mironov, "On significance of the least significant bits for differential privacy", CCS 2012 (why whole numbers);
Devroye, "Non-uniform random variate generation", 1986, section III.2 (inversion with a guide table).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

if TYPE_CHECKING:
    from numpy.typing import NDArray

BITS: Final = 128
ONE: Final = 1 << BITS
TAIL_BITS: Final = 110
"""The two tails that are cut off have together a probability below 2^-100."""
WEIGHT_BITS: Final = 320
LEAST: Final = 3
"""The least number of weights of a table on each side, zero included."""
GUIDE_BITS: Final = 16
LOW_BITS: Final = 64 - GUIDE_BITS
UNDECIDED: Final = np.iinfo(np.int32).min
CHUNK: Final = 1 << 18
"""Draws per batch: small enough for a core's cache."""
_ARITHMETIC: Final = Context(prec=130)


class Stream:
    """Uniform bits that are a function of a key and a name: AES-256 in counter mode over zeros."""

    def __init__(self, key: bytes, name: str) -> None:
        """Derive the stream's own key, so that streams of other names are independent."""
        own = hmac.new(key, b"stream " + name.encode(), hashlib.sha256).digest()
        self._cipher = Cipher(algorithms.AES(own), modes.CTR(bytes(16))).encryptor()

    def words(self, count: int, kind: str = "<u8") -> NDArray[np.unsignedinteger]:
        """Return the next `count` unsigned words of the little-endian `kind`."""
        return np.frombuffer(self._cipher.update(bytes(count * np.dtype(kind).itemsize)), kind)

    def whole(self, bits: int) -> int:
        """Return the next uniform whole number of so many bits."""
        raw = int.from_bytes(self._cipher.update(bytes(-(-bits // 8))), "little")
        return raw & ((1 << bits) - 1)

    def below(self, bound: int) -> int:
        """Return a uniform whole number in [0, bound), exactly: a number that is too large is drawn again."""
        while True:
            drawn = self.whole(max(1, (bound - 1).bit_length()))
            if drawn < bound:
                return drawn


class Table:
    """The cumulative law of one noise on [-reach, reach], in units of 2^-128."""

    def __init__(self, kind: str, scale: float) -> None:
        """Compute the boundaries of `laplace` or `gaussian` noise; `scale` is used as the exact binary number it is."""
        right = _weights(kind, scale)
        self.reach = len(right) - 1
        weights = [*reversed(right[1:]), *right]
        total, seen = sum(weights), 0
        self.cumulative: list[int] = []
        for weight in weights:
            seen += weight
            self.cumulative.append((seen << BITS) // total)
        self._high = np.array([min(bound >> 64, 2**64 - 1) for bound in self.cumulative], np.uint64)
        self._guide = self._decided()

    def below(self, value: int) -> int:
        """Return 2^128 times the probability of a draw less than `value`."""
        place = value - 1 + self.reach
        return 0 if place < 0 else self.cumulative[min(place, 2 * self.reach)]

    def probability(self, value: int) -> Fraction:
        """Return the exact probability with which `value` is drawn."""
        return Fraction(self.below(value + 1) - self.below(value), ONE)

    def draw(self, key: bytes, name: str, count: int) -> NDArray[np.int32]:
        """Return `count` independent draws that are a function of key and name."""
        first, second, third = (Stream(key, f"{name} {part}") for part in ("first", "second", "third"))
        drawn = np.empty(count, np.int32)
        for start in range(0, count, CHUNK):
            words = first.words(min(CHUNK, count - start), "<u2")
            part = self._guide[words]
            open_ = np.flatnonzero(part == UNDECIDED)
            if len(open_):
                rest = second.words(len(open_)) >> np.uint64(GUIDE_BITS)
                part[open_] = self._search((words[open_].astype(np.uint64) << np.uint64(LOW_BITS)) | rest, third)
            drawn[start : start + len(part)] = part
        return drawn

    def draw_at_least(self, stream: Stream, value: int) -> int:
        """Return one exact draw of the noise, given that it is `value` or more."""
        start = self.below(value)
        assert start < ONE, "the table reaches that far"
        return self._of(start + stream.below(ONE - start))

    def _search(self, high: NDArray[np.uint64], third: Stream) -> NDArray[np.int32]:
        """Return the draws for these first 64 bits; only those equal to a boundary's need 64 more."""
        place = np.searchsorted(self._high, high, side="right")
        tied = np.flatnonzero(self._high[np.maximum(place - 1, 0)] == high)
        found = (place - self.reach).astype(np.int32)
        for at in tied:
            found[at] = self._of((int(high[at]) << 64) | third.whole(64))
        return found

    def _of(self, uniform: int) -> int:
        """Return the value whose interval [P(X < k), P(X <= k)) contains the 128-bit number."""
        low, high = 0, 2 * self.reach
        while low < high:
            middle = (low + high) // 2
            if uniform < self.cumulative[middle]:
                high = middle
            else:
                low = middle + 1
        return low - self.reach

    def _decided(self) -> NDArray[np.int32]:
        """Return the draw that each first sixteen bits determine, or UNDECIDED if a boundary lies within."""
        starts = np.arange(1 << GUIDE_BITS, dtype=np.uint64) << np.uint64(LOW_BITS)
        ends = starts | np.uint64((1 << LOW_BITS) - 1)
        at_start = np.searchsorted(self._high, starts, side="left")
        at_end = np.searchsorted(self._high, ends, side="right")
        # A boundary at the start of a slot also counts as within it: those draws are searched, which is slower and
        # still exact.
        return np.where(at_start == at_end, at_start - self.reach, UNDECIDED).astype(np.int32)


@functools.lru_cache(maxsize=32)
def table(kind: str, scale: float) -> Table:
    """Return the table of a law, computed once per law."""
    return Table(kind, scale)


def gap(kind: str, scale: float) -> Fraction:
    """Return a bound on the total variation between one draw of the table and the ideal law.

    The tail beyond the table holds less than 2^-100; each boundary is rounded by less than 2^-127.
    """
    return Fraction(1, 1 << 100) + Fraction(2 * table(kind, scale).reach + 1, 1 << (BITS - 1))


def _weights(kind: str, scale: float) -> list[int]:
    """Return the law's weights at 0, 1, …, reach as whole numbers of 2^-320, each off by less than reach of them."""
    exact = _decimal(Fraction(scale))
    assert scale > 0, "noise has a scale"
    unit, down = 1 << WEIGHT_BITS, functools.partial(_floor, 1 << WEIGHT_BITS)
    weights, least = [unit], unit >> TAIL_BITS
    if kind == "laplace":
        ratio = down(_ARITHMETIC.exp(_ARITHMETIC.divide(Decimal(-1), exact)))
        while len(weights) < LEAST or weights[-1] > least:
            weights.append(weights[-1] * ratio >> WEIGHT_BITS)
        return weights
    assert kind == "gaussian", "noise is laplace or gaussian"
    twice = _ARITHMETIC.multiply(Decimal(2), _ARITHMETIC.multiply(exact, exact))
    # exp(-(k+1)²/2σ²) = exp(-k²/2σ²) × step, and the step itself shrinks by exp(-1/σ²) each time.
    step = down(_ARITHMETIC.exp(_ARITHMETIC.divide(Decimal(-1), twice)))
    shrink = down(_ARITHMETIC.exp(_ARITHMETIC.divide(Decimal(-2), twice)))
    while len(weights) < LEAST or weights[-1] > least:
        weights.append(weights[-1] * step >> WEIGHT_BITS)
        step = step * shrink >> WEIGHT_BITS
    return weights


def _decimal(value: Fraction) -> Decimal:
    return _ARITHMETIC.divide(Decimal(value.numerator), Decimal(value.denominator))


def _floor(unit: int, value: Decimal) -> int:
    return int(_ARITHMETIC.multiply(value, Decimal(unit)).to_integral_value(rounding=ROUND_FLOOR))


def binomial(stream: Stream, trials: int, probability: int) -> int:
    """Return how many of so many trials succeed, each with `probability` / 2^128; the cost is one draw per success.

    The failures before each success are geometric, by inversion of a uniform number of 320 bits at 130 digits. The
    probability that rounding changes a draw is below 2^-300.
    """
    if not probability:
        return 0
    assert 0 < probability < ONE, "a probability strictly between none and all"
    stays = _ARITHMETIC.ln(_ARITHMETIC.divide(Decimal(ONE - probability), Decimal(ONE)))
    successes, left = 0, trials
    while left > 0:
        # A uniform number u in (0, 1): the first success comes after floor(ln u / ln(1 - p)) failures.
        uniform = _ARITHMETIC.divide(Decimal(2 * stream.whole(WEIGHT_BITS) + 1), Decimal(1 << (WEIGHT_BITS + 1)))
        failures = int(_ARITHMETIC.divide(_ARITHMETIC.ln(uniform), stays).to_integral_value(rounding=ROUND_FLOOR))
        if failures >= left:
            break
        successes += 1
        left -= failures + 1
    return successes
