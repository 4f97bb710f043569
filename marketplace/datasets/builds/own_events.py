"""One line's own events from the event store, for its holder's copy and nobody else.

A line's events lie in one bucket of each day, among those of many lines, so the whole bucket is read, a day at a time.
If that is more than the site can read in a minute, nothing is read, and the copy names the contact to ask.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core import object_store
from marketplace.core.instants import HOUR_US, instant_of, microseconds
from marketplace.datasets.builds.event_store import PLACE_BITS, Store, bucket_length
from marketplace.datasets.builds.event_store_writer import day_start_us

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_BYTES: Final = 2 << 30
"""The largest size of a bucket's days together: an object store delivers it in well under a minute."""
MOST_LINES: Final = 5_000_000
"""The most line numbers that are searched for one: forty megabytes."""
EVENT: Final = ("at", "site", "latitude", "longitude", "kind")


def can_be_read(store: Store) -> bool:
    """Return whether the events of any one line can be read within a minute."""
    longest = [sum(bucket_length(entry) for entry in day["buckets"]) for day in store.state.days.values()]
    lines = [sum(entry["rows"][0] for entry in day["buckets"]) for day in store.state.days.values()]
    return sum(longest) // store.buckets <= MOST_BYTES and max(lines, default=0) <= MOST_LINES


def read_own_events(line: int, since: datetime) -> Iterator[dict[str, Any]] | None:
    """Yield a line's events after an instant, by day, with the fields of EVENT; None if there are too many to read.

    Blocks while it reads.
    """
    store = Store(object_store.store())
    return _events(store, line, microseconds(since)) if can_be_read(store) else None


def _events(store: Store, line: int, since_us: int) -> Iterator[dict[str, Any]]:
    found = np.flatnonzero(store.people() == line)
    if not len(found):
        return
    number = int(found[0])
    bucket, own = number % store.buckets, number // store.buckets
    sites, latitude, longitude = store.places()
    for name in sorted(store.state.days):
        day = date.fromisoformat(name)
        for at_us, place, kind in _of_day(store, day, bucket, own):
            if at_us > since_us:
                known = not np.isnan(latitude[place])
                yield {
                    "at": instant_of(at_us).isoformat(),
                    "site": sites[place],
                    "latitude": float(latitude[place]) if known else None,
                    "longitude": float(longitude[place]) if known else None,
                    "kind": store.state.kinds[kind] or None,
                }


def _of_day(store: Store, day: date, bucket: int, own: int) -> list[tuple[int, int, int]]:
    """Return a line's events of a day: instant in microseconds since 1970, number of the place, number of the kind."""
    seen = store.bucket(day, bucket)
    at = int(np.searchsorted(seen.people, own))
    if at == len(seen.people) or seen.people[at] != own:
        return []
    visits = _slice(seen.visits, at)
    counts = seen.count.astype(np.int64)
    events = slice(int(counts[: visits.start].sum()), int(counts[: visits.stop].sum()))
    moments = store.moments(day, bucket)
    visit = np.repeat(seen.visit[visits], counts[visits]).astype(np.int64)
    instants = day_start_us(day) + (visit >> PLACE_BITS) * HOUR_US + moments.micros(events).astype(np.int64)
    places, kinds = visit & ((1 << PLACE_BITS) - 1), moments.kinds()[events]
    return sorted(zip(instants.tolist(), places.tolist(), kinds.tolist(), strict=True))


def _slice(sizes: NDArray[Any], at: int) -> slice:
    """Return the slice of part number `at`, for consecutive parts of these sizes."""
    start = int(sizes[:at].astype(np.int64).sum())
    return slice(start, start + int(sizes[at]))
