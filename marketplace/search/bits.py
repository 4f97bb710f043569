"""Bits by position, eight to a byte, the first one highest: set, counted and found without a loop of Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Bits = NDArray[np.uint8]
    Places = NDArray[np.signedinteger[Any]]

BIT: Final = np.array([128 >> at for at in range(8)], np.uint8)


def make_bits(capacity: int) -> Bits:
    """Return bits of which none is set, in whole words of 64."""
    return np.zeros(-(-capacity // 64) * 8, np.uint8)


def grown(bits: Bits, capacity: int) -> Bits:
    """Return a copy of bits with room for more."""
    more = make_bits(capacity)
    more[: len(bits)] = bits
    return more


def count_bits(bits: Bits) -> int:
    """Return how many bits are set."""
    return int(np.bitwise_count(bits.view(np.uint64)).sum())


def first_bits(bits: Bits, most: int) -> Places:
    """Return the first positions whose bit is set, `most` of them: reading stops there."""
    found: list[Places] = []
    start, step, missing = 0, most, most
    while start < len(bits) and missing > 0:
        words = bits[start : start + step].view(np.uint64)
        set_words = np.flatnonzero(words)[:missing]
        own = np.flatnonzero(np.unpackbits(bits[start : start + step].reshape(-1, 8)[set_words]))[:missing]
        found.append(8 * start + 64 * set_words[own >> 6] + (own & 63))
        missing -= len(own)
        start, step = start + step, 2 * step
    return np.concatenate(found) if found else np.empty(0, np.int64)


def has(bits: Bits, places: Places) -> Bools:
    """Return of each position whether its bit is set."""
    hits: Bools = bits[places >> 3] & BIT[places & 7] != 0
    return hits


def set_bits(bits: Bits, places: Places) -> None:
    """Set the bits at these positions."""
    np.bitwise_or.at(bits, places >> 3, BIT[places & 7])


def unset_bits(bits: Bits, places: Places) -> None:
    """Unset the bits at these positions."""
    np.bitwise_and.at(bits, places >> 3, ~BIT[places & 7])
