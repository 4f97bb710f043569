"""Accuracy editions of one release: each is the finer one plus noise, so any set of them reveals only its finest.

A coarser edition is a function of the published finer cells (clamped, withheld) and of fresh noise. By post-processing,
a holder of several editions learns what the finest reveals and no more; a withheld cell stays withheld.

**Discrete Laplace nests exactly.** Its characteristic function with parameter q is (1-q)² / (1 + q² - 2 q cos t). For
finer a < coarser b the quotient of the two is

    (1-b)² / (1-a)²  ×  (1 + a² - 2 a cos t) / (1 + b² - 2 b cos t).

Write the numerator as (a/b) (1 + b² - 2 b cos t) + (1 - a b)(1 - a/b), which equals 1 + a² - 2 a cos t. Hence the
quotient is p + (1-p) (1-b)² / (1 + b² - 2 b cos t), with p = (a/b) (1-b)² / (1-a)²: at t = 0 both sides are 1, and p is
in (0, 1) because a < b < 1. So a count with noise a stays unchanged with probability p and otherwise gets a draw of
noise b; the sum has exactly noise b.

**Discrete Gaussians do not nest:** the sum of two is not a discrete Gaussian of the summed variance, though it is so
close that no test can distinguish them (the total variation falls as exp(-2 pi² s² r² / (s² + r²)), below 10^-7 once both sigmas
are 1.3). That costs nothing: the privacy of a coarser edition comes from post-processing, and its stated spread is the
sum of the two variances, which is exact.

Source: Canonne, Kamath and Steinke 2020, section 3 (sums of discrete Gaussians, in Kairouz, Liu and Steinke 2021,
theorem 1); the nesting of the discrete Laplace is derived above.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy import noise, sampler

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

_ARITHMETIC: Final = Context(prec=130)


@dataclass(frozen=True, slots=True)
class Step:
    """The step from one accuracy level to the next: stay with probability `stays` / 2^128, else add `extra`."""

    stays: int
    extra: noise.Law
    variance: float
    """The coarser level's noise variance."""

    def draw(self, key: bytes, name: str, count: int) -> NDArray[np.int64]:
        """Return the noise to add to `count` finer counts: a function of key and name."""
        added = sampler.table(self.extra.kind, self.extra.scale).draw(key, name, count).astype(np.int64)
        if self.stays:
            words = sampler.Stream(key, f"{name} stays").words(count)
            rest = sampler.Stream(key, f"{name} stays, rest")
            bound = np.uint64(self.stays >> 64)
            unchanged = words < bound
            for at in np.flatnonzero(words == bound):
                unchanged[at] = rest.whole(64) < self.stays & (2**64 - 1)
            added[unchanged] = 0
        return added


def coarser(law: noise.Law, multiple: int) -> noise.Law:
    """Return the law of the same kind whose variance is `multiple` times as large (Gaussian: sigma squared is)."""
    if law.kind == "gaussian":
        return noise.Law("gaussian", law.scale * math.sqrt(multiple))
    # 2 q / (1 - q)² = v, solved for q: q = 1 + 1/v - sqrt((1 + 1/v)² - 1).
    inverse = 1 / (law.variance * multiple)
    return noise.Law("laplace", -1 / math.log1p(inverse - math.sqrt(inverse * (2 + inverse))))


def step(finer: noise.Law, wanted: noise.Law) -> Step:
    """Return the step from `finer` to `wanted`, of the same kind and a larger scale."""
    assert finer.kind == wanted.kind, "levels are of one kind"
    assert finer.scale < wanted.scale, "levels get coarser"
    if finer.kind == "gaussian":
        extra = noise.Law("gaussian", math.sqrt(wanted.scale**2 - finer.scale**2))
        return Step(0, extra, finer.variance + extra.variance)
    stays = int(unchanged(finer.scale, wanted.scale) * sampler.ONE)
    return Step(stays, wanted, wanted.variance)


def unchanged(finer_scale: float, coarser_scale: float) -> Fraction:
    """Return p = (a/b) (1-b)² / (1-a)² to 100 digits, with a, b = exp(-1 / scale) of the two."""
    a, b = _q(finer_scale), _q(coarser_scale)
    share = _ARITHMETIC.divide(_ARITHMETIC.subtract(Decimal(1), b), _ARITHMETIC.subtract(Decimal(1), a))
    return Fraction(_ARITHMETIC.multiply(_ARITHMETIC.divide(a, b), _ARITHMETIC.multiply(share, share)))


def _q(scale: float) -> Decimal:
    exact = Fraction(scale)
    return _ARITHMETIC.exp(_ARITHMETIC.divide(Decimal(-exact.denominator), Decimal(exact.numerator)))


def edition_key(key: bytes, multiple: int, finer_sha256: str) -> bytes:
    """Return the key of one edition's draws, from the release's key, the level and the finer edition's bytes."""
    return hmac.new(key, f"edition {multiple} {finer_sha256}".encode(), hashlib.sha256).digest()


def coarsen(cells: pa.Table, people: Step, events: Step, threshold: int, key: bytes) -> pa.Table:
    """Return the coarser edition of published `cells`: add noise, then withhold and make counts agree."""
    import pyarrow as pa  # noqa: PLC0415

    counted = cells["people"].to_numpy() + people.draw(key, "people", len(cells))
    seen = cells["events"].to_numpy() + events.draw(key, "events", len(cells))
    kept = np.flatnonzero(counted >= threshold)
    table = cells.take(kept)
    for name, values in (("people", counted[kept]), ("events", np.maximum(seen[kept], counted[kept]))):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.int64()))
    return table
