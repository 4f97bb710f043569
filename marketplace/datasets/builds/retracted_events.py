"""Events that no longer count: of a line, or of everyone, in half-open intervals of instants.

A line's are left out of every file that is read later, so a corrected file does not restore them. Everyone's are
removed from the store once; a file that is read afterwards counts again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from marketplace.core.instants import DAY_US
from marketplace.core.line_index import LineIndex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class RetractedEvents:
    """Which events are retracted; in columns, so that millions of rows are compared at once."""

    def __init__(
        self,
        lines: Sequence[int] | NDArray[np.int64] = (),
        from_us: Sequence[int] | NDArray[np.int64] = (),
        to_us: Sequence[int] | NDArray[np.int64] = (),
        everyone: Sequence[tuple[int, int]] = (),
    ) -> None:
        """State the lines with an interval each (a line may occur several times), and everyone's intervals."""
        order = np.argsort(np.asarray(lines, np.int64), kind="stable")
        self.lines, self.from_us, self.to_us = (
            np.asarray(column, np.int64)[order] for column in (lines, from_us, to_us)
        )
        self.everyone = list(everyone)
        self.index = LineIndex(np.unique(self.lines))

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is retracted."""
        return not len(self.lines) and not self.everyone

    def covers(self, references: NDArray[np.int64], at_us: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each event, by its line's reference and its instant, whether it is retracted."""
        gone = np.zeros(len(references), np.bool_)
        for start, end in self.everyone:
            gone |= (at_us >= start) & (at_us < end)
        theirs = np.flatnonzero(self.index.find(references) >= 0) if len(self.lines) else np.empty(0, np.int64)
        first = np.searchsorted(self.lines, references[theirs], "left")
        last = np.searchsorted(self.lines, references[theirs], "right")
        for turn in range(int((last - first).max(initial=0))):
            of = np.flatnonzero(first + turn < last)
            interval, event = (first + turn)[of], theirs[of]
            gone[event] |= (at_us[event] >= self.from_us[interval]) & (at_us[event] < self.to_us[interval])
        return gone

    def lines_of_day(self, start_us: int) -> NDArray[np.int64]:
        """Return the lines with a retracted instant on the day that starts at `start_us`."""
        return np.unique(self.lines[(self.from_us < start_us + DAY_US) & (self.to_us > start_us)])

    def is_everyones(self, start_us: int) -> bool:
        """Return whether an instant of that day is retracted for everyone."""
        return any(start < start_us + DAY_US and end > start_us for start, end in self.everyone)
