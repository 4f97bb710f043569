"""Removing retracted events from the event store: only days that lose one are rewritten, all in one step.

A bucket without a retracted event is copied unchanged, so erasing a few people costs only reading and writing their
days.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np

from marketplace.core.instants import HOUR_US
from marketplace.core.progress import no_progress
from marketplace.datasets.builds.day_rows import without
from marketplace.datasets.builds.event_store import PLACE_BITS, encode
from marketplace.datasets.builds.event_store_writer import Writer, day_start_us

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.builds.event_store import Store
    from marketplace.datasets.builds.retracted_events import RetractedEvents


def retract(
    store: Store, scratch: Path, retracted: RetractedEvents, *, report: ReportProgress | None = None
) -> dict[str, int]:
    """Remove the retracted events from the store, all days in one step; return how many events each day lost.

    A day is rewritten only if it loses an event; the same retraction again changes nothing.
    """
    report = report or no_progress
    lost: dict[str, int] = {}
    if retracted.is_empty or store.is_empty:
        return lost
    writer = Writer(store, scratch)
    try:
        references = writer.numbers.references
        days = sorted(writer.state.days)
        for done, name in enumerate(days):
            report("retracting events", done / len(days))
            day = dt.date.fromisoformat(name)
            count = _rewrite(writer, day, retracted, references)
            if count:
                lost[name] = count
        if lost:
            writer.commit({})
        report("retracted", 1.0)
    finally:
        writer.close()
    return lost


def _rewrite(writer: Writer, day: dt.date, retracted: RetractedEvents, references: NDArray[np.int64]) -> int:
    """Write the day without its retracted events, to be committed; return how many it loses. At 0 it writes nothing."""
    store, start = writer.store, day_start_us(day)
    buckets = set(range(store.buckets))
    if not retracted.is_everyones(start):
        numbers = writer.numbers.find(retracted.lines_of_day(start))
        numbers = numbers[numbers >= 0]
        buckets = {
            bucket
            for bucket in np.unique(numbers % store.buckets).tolist()
            if np.isin(
                numbers[numbers % store.buckets == bucket] // store.buckets, store.bucket(day, bucket).people
            ).any()
        }
    if not buckets:
        return 0
    lost = at = 0
    before = store.state.days[day.isoformat()]
    entries: list[dict[str, Any]] = []
    path = writer.scratch / f"{day}.whole"
    with path.open("wb") as file:
        for bucket in range(store.buckets):
            parts, entry = [store.whole_bucket(day, bucket)], before["buckets"][bucket]
            if bucket in buckets:
                rows, origins = store.rows(day, bucket), store.origins(day, bucket)
                hour = (rows.visit >> np.uint32(PLACE_BITS)).astype(np.int64)
                gone = retracted.covers(references[rows.people], start + hour * HOUR_US + rows.micros)
                if gone.any():
                    lost += int(np.count_nonzero(gone))
                    rows, origins = without(rows, origins, gone)
                    own = rows.people // np.uint32(store.buckets)
                    parts, entry = encode(own, rows, origins if len(store.sources(day)) > 1 else None)
            entries.append(entry | {"at": at})
            for part in parts:
                file.write(part)
                at += len(part)
    if lost:
        writer.put_day(day, path, entries, store.sources(day))
    else:
        path.unlink()
    return lost
