"""Numbers for lines: a hash table from references of 63 bits to small whole numbers, all in arrays."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ODD: Final = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: multiplication by it separates references that are close."""
ROOM: Final = 3
"""The table has at least so many places for each line."""
ROWS_AT_ONCE: Final = 1 << 17
"""So many numbers stay in a processor's cache from step to step, and two threads seldom wait for one another."""


class LineIndex:
    """References by number, and numbers by reference; any thread may read, and one at a time adds."""

    def __init__(self, references: NDArray[np.int64]) -> None:
        """Give `references` (distinct) numbers from zero, in their order."""
        self._adding = threading.Lock()
        self.count = 0
        self._grow(len(references))
        self._insert(references)

    @property
    def references(self) -> NDArray[np.int64]:
        """Return every reference, by number."""
        return self._pair[1][: self.count]

    def find(self, references: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return each reference's number, -1 if it has none."""
        table, known = self._pair
        found = np.empty(len(references), np.int32)
        for at in range(0, len(references), ROWS_AT_ONCE):
            found[at : at + ROWS_AT_ONCE] = _find(table, known, references[at : at + ROWS_AT_ONCE])
        return found

    def number(self, references: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return each reference's number, giving new references the next numbers."""
        found = self.find(references)
        if (found < 0).any():
            with self._adding:
                missing = np.flatnonzero(found < 0)
                found[missing] = self.find(references[missing])
                self._insert(distinct(references[found < 0]))
            missing = np.flatnonzero(found < 0)
            found[missing] = self.find(references[missing])
        return found

    def _grow(self, count: int) -> None:
        """Make a larger table; a search in the old one does not see it."""
        size = 1 << max(10, (ROOM * count).bit_length())
        known = np.zeros(size // ROOM + 1, np.int64)
        old = self.references if self.count else np.empty(0, np.int64)
        known[: len(old)] = old
        table = np.full(size, -1, np.int32)
        _place(table, known, 0, len(old))
        self._pair = table, known

    def _insert(self, references: NDArray[np.int64]) -> None:
        count = self.count + len(references)
        if count > len(self._pair[1]):
            self._grow(2 * count)
        table, known = self._pair
        known[self.count : count] = references
        _place(table, known, self.count, count)
        self.count = count


def distinct(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each value once, ascending; sorting a million takes an eightieth of the time of NumPy's hash table."""
    ordered = np.sort(values)
    is_new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_new[1:])
    return ordered[is_new]


def _find(table: NDArray[np.int32], known: NDArray[np.int64], references: NDArray[np.int64]) -> NDArray[np.int32]:
    # Every index is within its array, except -1, the last: mode "wrap" needs no pass to check them.
    slot = _slot(references, len(table))
    found = table.take(slot, mode="wrap")
    # An empty place ends the search; one with another reference continues it.
    lost = np.flatnonzero((found >= 0) & (known.take(found, mode="wrap") != references))
    slot, wanted = slot[lost], references[lost]
    while len(lost):
        slot = (slot + 1) & (len(table) - 1)
        found[lost] = there = table.take(slot, mode="wrap")
        is_lost = (there >= 0) & (known.take(there, mode="wrap") != wanted)
        lost, slot, wanted = lost[is_lost], slot[is_lost], wanted[is_lost]
    return found


def _slot(references: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    mixed: NDArray[np.uint64] = references.view(np.uint64) * ODD
    mixed ^= mixed >> np.uint64(32)
    mixed *= ODD
    return (mixed >> np.uint64(65 - size.bit_length())).view(np.int64)


def _place(table: NDArray[np.int32], known: NDArray[np.int64], start: int, end: int) -> None:
    """Give the numbers from `start` to before `end` their places."""
    left = np.arange(start, end, dtype=np.int32)
    slot = _slot(known[start:end], len(table))
    while len(left):
        free = table[slot] < 0
        # Of several that want one place the last is written; the others search on.
        table[slot[free]] = left[free]
        lost = table[slot] != left
        left, slot = left[lost], (slot[lost] + 1) & (len(table) - 1)
