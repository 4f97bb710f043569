"""When segments of the index are merged: with three sizes, three reads find a person and little is rewritten.

The newest segment has the releases of the last days, the middle one those of the last months, the oldest all others. A
segment that grows too large for its level moves to the next one, merged with the segment there. With n releases and
bounds of n^(2/3) and n^(1/3), a contribution is written about 1.5 · n^(1/3) times in all, the least that three segments
allow up to a constant.

Source: C. Mathieu, R. Rajaraman, N. E. Young, A. Yousefi, Competitive data-structure dynamization, SODA 2021 (the bound
for k components); P. O'Neil, E. Cheng, D. Gawlick, E. O'Neil, The log-structured merge-tree, 1996 (the structure).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

LEVELS: Final = 3
"""The largest number of segments, and so of reads that find a person."""


class Size(Struct, frozen=True):
    """How large a segment is: the releases it has, and the contributions of all of them."""

    releases: int
    pairs: int


def level_of(segments: Mapping[int, Size], gained: Size) -> int:
    """Return the level of the segment that gained releases go into; it replaces every segment of this and lower levels.

    segments: by level, 0 for the newest; gained: what is added.
    """
    releases = gained.releases + sum(size.releases for size in segments.values())
    pairs = gained.pairs + sum(size.pairs for size in segments.values())
    ratio = cube_root(releases)
    merged = gained.pairs
    for level in range(LEVELS - 1):
        merged += segments[level].pairs if level in segments else 0
        if merged * ratio ** (LEVELS - 1 - level) <= pairs:
            return level
    return LEVELS - 1


def cube_root(number: int) -> int:
    """Return the largest whole number whose cube is at most `number`, which is above 0."""
    root: int = round(number ** (1 / LEVELS))
    return root - int(root**LEVELS > number)
