"""Who consents to a purpose at one instant, as columns: one ordered read of the records, and one pass over arrays.

The fragment `intervals` of `queries.sql` has the same definition for a single line; this is for a whole country. The
records come by line, instant and number, some hundred thousand at a time, and only the result stays in memory.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marketplace.consent.purposes.queries import SQL
from marketplace.consent.purposes.tables import Notice
from marketplace.core.database import fetch_column, fetch_columns, stream_columns
from marketplace.core.instants import FOREVER_US, SINCE_2000_US, microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class InForce(NamedTuple):
    """Consents in force at one instant, at most one a line, by ascending line: three columns of one length."""

    lines: NDArray[np.int64]
    from_us: NDArray[np.int64]
    """The start, in microseconds since 1970."""
    until_us: NDArray[np.int64]
    """The end, not included; FOREVER_US if nothing ended it."""

    def since(self, instants: Mapping[int, int]) -> InForce:
        """Return these consents, starting no earlier than a line's instant in `instants`; drop those over by then."""
        if not instants or not len(self.lines):
            return self
        lines = np.fromiter(instants, np.int64, len(instants))
        place = np.minimum(np.searchsorted(self.lines, lines), len(self.lines) - 1)
        known = self.lines[place] == lines  # other lines beyond the last have the position of the last line
        from_us = self.from_us.copy()
        earliest = np.fromiter(instants.values(), np.int64, len(instants))[known]
        from_us[place[known]] = np.maximum(from_us[place[known]], earliest)
        return InForce(self.lines, from_us, self.until_us).where(from_us < self.until_us)

    def where(self, those: NDArray[np.bool_]) -> InForce:
        """Return the selected consents."""
        return InForce(*(column[those] for column in self))


async def consent_in_force(purpose: str, instant: dt.datetime) -> InForce:
    """Return the consents to `purpose` in force at `instant`; a line that ended by then, or a child's, has none."""
    asking = Notice.select(Notice.published_at).where(Notice.purpose == purpose, Notice.asks_anew == True)  # noqa: E712 (Piccolo's)
    anew = sorted([microseconds(published_at) for published_at in await fetch_column(dt.datetime, asking)])
    found = _Pass(np.array(anew, np.int64), microseconds(instant))
    await stream_columns(SQL["words_in_order"], purpose, sink=found.add)
    in_force = found.end()
    nobodys = await fetch_columns(SQL["nobodys_lines"], instant)
    return in_force.where(~np.isin(in_force.lines, nobodys[0])) if nobodys else in_force


class _Pass:
    """Processes the records of whole lines; the last line of a batch waits for the next batch."""

    def __init__(self, anew: NDArray[np.int64], instant_us: int) -> None:
        self.anew, self.instant_us = anew, instant_us
        self.waiting = [np.empty(0, np.int64), np.empty(0, np.int64)]
        self.found: list[InForce] = []

    def add(self, columns: Sequence[NDArray[np.int64]]) -> None:
        """Add records: the line, or its complement for a withdrawal, and the instant since 2000."""
        word, at = (np.concatenate(pair) for pair in zip(self.waiting, columns, strict=True))
        line = np.where(word < 0, ~word, word)
        whole = int(np.searchsorted(line, line[-1]))
        self.waiting = [word[whole:], at[whole:]]
        self._judge(line[:whole], word[:whole] >= 0, at[:whole])

    def end(self) -> InForce:
        """Return the result."""
        word, at = self.waiting
        self._judge(np.where(word < 0, ~word, word), word >= 0, at)
        return InForce(*(np.concatenate(parts) for parts in zip(*self.found, strict=True)))

    def _judge(self, line: NDArray[np.int64], given: NDArray[np.bool_], at: NDArray[np.int64]) -> None:
        """Find the consents around the instant among whole lines' records, by the rule of the fragment `intervals`."""
        at = at + SINCE_2000_US
        same = np.zeros(len(line), np.bool_)
        same[1:] = line[1:] == line[:-1]
        if len(self.anew):
            era = np.searchsorted(self.anew, at, side="right")
            same[1:] &= era[1:] == era[:-1]
        gave = np.zeros(len(line), np.bool_)
        gave[1:] = given[:-1] & same[1:]
        changes = np.flatnonzero(given != gave)
        line, given, at = line[changes], given[changes], at[changes]
        until = np.full(len(line), FOREVER_US)
        until[:-1] = np.where(line[1:] == line[:-1], at[1:], FOREVER_US)
        if len(self.anew):
            ends = np.append(self.anew, FOREVER_US)
            until = np.minimum(until, ends[np.searchsorted(self.anew, at, side="right")])
        around = given & (at <= self.instant_us) & (self.instant_us < until)
        self.found.append(InForce(line[around], at[around], until[around]))
