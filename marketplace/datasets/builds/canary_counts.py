"""Canaries through the counting engine: simulated people, the worst that the bounds allow, counted like everyone.

Each has events in twice as many cells as the bound allows, more events in each cell than are counted, and two
overlapping consents. Counts are made with and without its unit: the whole period, or one day followed by another that
the first may reach into. Somebody without consent has the same events. Files, ingestion and counting are a build's own.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.core.instants import EPOCH, instant_of, microseconds
from marketplace.core.progress import no_progress
from marketplace.core.settings import settings
from marketplace.core.working_folders import working_folder
from marketplace.datasets.builds.aggregation import Aggregation
from marketplace.privacy.cell_choice import hash_keys
from marketplace.privacy.gate.canaries import CanaryCounts

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.privacy.drawing import Counts
    from marketplace.privacy.specification import Specification

CANARIES: Final = (1, 2)
NO_CONSENT: Final = 3
"""Lines of the small world."""
HOUR: Final = dt.timedelta(hours=1)
LEAST_ZONES, LEAST_KEYS, MOST_KEYS = 7, 2_000, 40_000
MOST_EVENTS: Final = 200_000
"""For one line; under larger bounds, canaries reach the bound in cells only or in events only."""
MOST_STEPS: Final = {"hour": 48, "day": 14, "week": 2}
MOST_UNITS: Final = 3
"""Hours, days or weeks of the small world; if the unit is the day, so many whole days."""


def count(specification: Specification, counting: type[Aggregation] = Aggregation) -> CanaryCounts:
    """Return the change that canaries make under a release's promise, counted once per promise by `counting`."""
    engine = "duckdb" if settings().engine == "spark" else settings().engine  # the same SQL, at once
    small = _small(specification)
    undated = dataclasses.replace(small, period_from=EPOCH, period_to=EPOCH + (small.period_to - small.period_from))
    asked = (undated, counting, engine)
    if asked not in _COUNTED:
        _COUNTED[asked] = _count(small, counting, engine)
    return _COUNTED[asked]


_COUNTED: dict[tuple[Specification, type[Aggregation], str], CanaryCounts] = {}


def _count(small: Specification, counting: type[Aggregation], engine: str) -> CanaryCounts:
    with working_folder() as folder:
        files = _files(small, folder)
        with counting(small, folder / "build", engine) as build:
            build.check(*files)
            keys = hash_keys(build.key, small.digest)

            def counted(consents: list[tuple[int, dt.datetime]]) -> Counts:
                columns = [np.array(column, np.int64) for column in zip(*map(_microseconds, consents), strict=True)]
                consent = (columns or [np.empty(0, np.int64)] * 3)[:3]
                build.ask((consent[0], consent[1], consent[2]), keys, small.period_to + HOUR, no_progress)
                return build.counts()

            uncovered = int(counted([]).people.sum())
            day_after = instant_of(int(small.clock.bounds_us[np.searchsorted(small.clock.unit, 1)]))
            changed: dict[str, tuple[int, int]] = {}
            for line in CANARIES:
                there = counted(_consents(line, small.period_from))
                left = counted(_consents(line, day_after) if small.unit == "day" else [])
                for part, change in _changes(small, there, left).items():
                    most = changed.get(part, (0, 0))
                    changed[part] = max(most[0], int(np.abs(change).sum())), max(most[1], int(change @ change))
            whole = counted([one for line in CANARIES for one in _consents(line, small.period_from)])
    return CanaryCounts(small, whole, changed, len(CANARIES), uncovered)


def _small(specification: Specification) -> Specification:
    """Return the same promise over fewer zones and days, few enough to draw all of it in a moment."""
    s = specification
    clock = s.clock
    steps = int(np.searchsorted(clock.unit, MOST_UNITS)) if s.unit == "day" else min(clock.times, MOST_STEPS[s.grain])
    period_to = instant_of(int(clock.bounds_us[steps]))
    short = dataclasses.replace(s, dataset="canaries", purpose="audit", period_to=period_to, revision=1)
    hours = max(1, (short.period_to - short.period_from) // HOUR)
    wanted = max(LEAST_ZONES, 2 * -(-s.max_cells // min(hours, 24)))
    while wanted < len(s.zones) and _keys(short, wanted) < LEAST_KEYS:
        wanted += 1
    while wanted > 2 and _keys(short, wanted) > MOST_KEYS:  # noqa: PLR2004 (somebody goes from one to another)
        wanted -= 1
    return dataclasses.replace(short, zones=s.zones[:wanted])


def _keys(short: Specification, zones: int) -> int:
    return (zones**2 if short.counts.is_between_zones else zones) * short.times * len(short.segments)


def _files(small: Specification, folder: Path) -> tuple[str, str]:
    """Write the small world's events and subscribers, and return the files in the form a build expects."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    lines = (*CANARIES, NO_CONSENT)
    at, zone = _events(small)
    events = {
        "subscriber_id": pa.array(np.repeat(lines, len(at)), pa.int64()),
        "at": pa.array(np.tile(at, len(lines)), pa.timestamp("us", tz="UTC")),
        "site": pa.array(np.tile(np.asarray(small.zones, object)[zone], len(lines)), pa.string()),
    }
    subscribers = {
        "subscriber_id": pa.array(lines, pa.int64()),
        "age_band": [small.age_bands[0]] * len(lines),
        "home_zone": [small.zones[0]] * len(lines),
    }
    for name, columns in (("events", events), ("subscribers", subscribers)):
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return str(folder / "events.parquet"), str(folder / "subscribers.parquet")


def _events(small: Specification) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a canary's events: microseconds since 1970, and the position of the zone.

    In every hour it goes back and forth between two zones, and then between the next two, more often than events are
    counted. So it counts in twice as many cells as the bound allows, for every product.
    """
    hours = max(1, (small.period_to - small.period_from) // HOUR)
    pairs = max(1, min(-(-2 * small.max_cells // min(hours, 24)), len(small.zones) // 2 or 1))
    times = max(2, min(small.max_events + 2, MOST_EVENTS // (2 * pairs * hours)))
    pair, turn = np.divmod(np.arange(pairs * 2 * times), 2 * times)
    if small.unit == "day":  # few cells on the day after, so that they include those the first day reaches into
        hours = min(hours, 24 + -(-(small.max_cells + 1) // (2 * pairs)))
    hour, of = np.divmod(np.arange(hours * len(pair)), len(pair))
    zone = (hour + 2 * pair[of] + turn[of] % 2) % len(small.zones)
    step = HOUR // dt.timedelta(microseconds=1) // len(pair)
    return microseconds(small.period_from) + hour * (HOUR // dt.timedelta(microseconds=1)) + of * step, zone


def _consents(line: int, since: dt.datetime) -> list[tuple[int, dt.datetime]]:
    """Return two overlapping consents of a line: one counts from `since`, the other from an hour later."""
    return [(line, since), (line, since + HOUR)]


def _microseconds(consent: tuple[int, dt.datetime]) -> tuple[int, int, int]:
    line, since = consent
    return line, microseconds(since), 2**62


def _changes(small: Specification, there: Counts, left: Counts) -> dict[str, NDArray[np.int64]]:
    """Return the difference between counts with a canary's unit and without it, for each part that is counted."""

    def whole(counts: Counts, values: NDArray[Any]) -> NDArray[np.int64]:
        found = np.zeros(small.key_count, np.int64)
        found[counts.keys] = values
        return found

    changes = {
        "people": whole(there, there.people) - whole(left, left.people),
        "events": whole(there, there.events) - whole(left, left.events),
    }
    if there.totals is not None and left.totals is not None:
        changes["totals"] = np.asarray(there.totals, np.int64) - np.asarray(left.totals, np.int64)
    return changes
