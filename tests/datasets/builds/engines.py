"""Random cases for the three engines, and fifty lines of plain Python that say what each must answer."""

import datetime as dt
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from obstore.store import LocalStore

from marketplace.core.line_index import LineIndex
from marketplace.datasets.builds import input_files, reference_sql
from marketplace.datasets.builds.counting_query import Aggregate, CountingQuery
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.builds.ingest import ingest
from marketplace.datasets.builds.kernel import Kernel
from marketplace.privacy.cell_choice import HASH_PRIME, hash_keys
from tests.datasets.builders import END, START, at
from tests.datasets.builds import engines

Event = tuple[int, dt.datetime, str, str]
"""Who, when, at which site, of which kind."""
Case = tuple[list[Event], list[tuple[int, dt.datetime, dt.datetime]]]
"""Events, and consents that may overlap and touch."""
Key = tuple[int, int, int]
"""Place, time, segment."""
P = HASH_PRIME
KEYS = hash_keys(b"a secret of the tests", "a specification")
STARTED = END + dt.timedelta(days=1)
PEOPLE = tuple(7 * who + 2**40 * (who % 3) for who in range(6))
SITES = ("a", "b", "c", "d", "elsewhere")
ZONE_OF = {"a": 0, "b": 1, "c": 2, "d": 2}
"""Two sites are of one zone, and one of none."""
HOME = {who: n % 4 - 1 for n, who in enumerate(PEOPLE)}
SEGMENT = {who: n % 2 for n, who in enumerate(PEOPLE) if n != 4}
"""One line is not a subscriber's."""
HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000

instants = st.sampled_from(
    [-0.001, 0, 0.25, 0.999, 1, 1.5, 5.999, 6, 20, 22, 24, 24.5, 25, 26, 30, 44, 47.999, 48]
).map(at)
events = st.lists(
    st.tuples(st.sampled_from(PEOPLE), instants, st.sampled_from(SITES), st.sampled_from(["", "call"])), max_size=60
)
cuts = st.sampled_from([-2, 0, 1, 1.5, 20, 24, 26, 48, 90]).map(at)
consents = st.lists(st.tuples(st.sampled_from(PEOPLE), cuts, cuts), max_size=12)
cases = st.tuples(events, consents)


def microseconds(instant: dt.datetime) -> int:
    return (instant - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def ingested(folder: Path, case: Case, **how: Any) -> Store:
    """Ingest the case's events, whose file holds each duplicate."""
    columns = list(zip(*case[0], strict=True)) if case[0] else [[], [], [], []]
    kinds = (pa.int64(), pa.timestamp("us", tz="UTC"), pa.string(), pa.string())
    names = ("subscriber_id", "at", "site", "kind")
    file = folder / "events.parquet"
    pq.write_table(pa.table({n: pa.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)}), file)
    (folder / "store").mkdir(exist_ok=True)
    objects = LocalStore(folder / "store")
    ingest(Store(objects, buckets=2), [file], folder / "scratch", **how)
    return Store(objects)


def question_of(store: Store, case: Case, product: str = "presence", **other: Any) -> CountingQuery:
    references = store.people()
    sites, _, _ = store.places()
    numbers = [np.array([microseconds(c[n]) for c in case[1]], np.int64) for n in (1, 2)]
    consenting = np.array([c[0] for c in case[1]], np.int64)
    asked = CountingQuery(
        product=product,
        period_from_us=microseconds(START),
        period_to_us=microseconds(END),
        started_us=microseconds(STARTED),
        step_us=DAY_US if product == "stays" else HOUR_US,
        unit_us=2 * DAY_US,
        max_cells=2,
        max_events=2,
        max_zones=0,
        hash_keys=KEYS,
        zones=3,
        segments=1 if product == "flows" else 2,
        store=store,
        references=references,
        segment=np.array([SEGMENT.get(who, -1) for who in references.tolist()], np.int16),
        home=np.array([HOME[who] for who in references.tolist()], np.int32),
        zone=np.array([ZONE_OF.get(site or "", -1) for site in sites], np.int32),
        consent=(consenting, *numbers),
        consent_line=LineIndex(references).find(consenting),
    )
    return replace(asked, **other)


def local_clock(q: CountingQuery, at_us: int) -> dt.datetime:
    """Return what the local clock shows."""
    return dt.datetime.fromtimestamp(at_us // 1_000_000, dt.UTC).astimezone(ZoneInfo(q.time_zone))


def day_of(q: CountingQuery, at_us: int) -> int:
    """Return which of the period's local days an instant is in."""
    return (local_clock(q, at_us).date() - local_clock(q, q.period_from_us).date()).days


def time_of(q: CountingQuery, at_us: int) -> int:
    """Return which step an instant is in: a local day or week, or an hour from the period's start on."""
    if q.step_us == HOUR_US:
        return (at_us - q.period_from_us) // HOUR_US
    return day_of(q, at_us) // (q.step_us // DAY_US)


def begins(q: CountingQuery, time: int) -> int:
    """Return when a step begins."""
    if q.step_us == HOUR_US:
        return q.period_from_us + time * HOUR_US
    day = local_clock(q, q.period_from_us).date() + dt.timedelta(days=time * (q.step_us // DAY_US))
    return microseconds(dt.datetime.combine(day, dt.time(), ZoneInfo(q.time_zone)))


def current_consent(q: CountingQuery, case: Case, who: int) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the merged interval that holds the start: overlapping ones are one, touching ones two."""
    found: list[tuple[dt.datetime, dt.datetime]] = []
    for _, a, b in sorted(c for c in case[1] if c[0] == who and c[1] < c[2]):
        if found and a < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], b))
        else:
            found.append((a, b))
    return next(((a, b) for a, b in found if microseconds(a) <= q.started_us < microseconds(b)), None)


def counted_in(q: CountingQuery, mine: list[tuple[int, int]], home: int, segment: int) -> Counter[Key]:
    """Return what one person's (instant, zone) pairs count in, before bounding."""
    cells: Counter[Key] = Counter()
    if q.product == "presence":
        cells.update((zone, time_of(q, when), segment) for when, zone in mine)
    elif q.product in {"flows", "arrivals"}:
        for (left, a), (when, b) in zip(sorted(mine), sorted(mine)[1:], strict=False):
            if a != b and when - left <= 6 * HOUR_US:
                here = (a * q.zones + b, 0) if q.product == "flows" else (b, segment)
                cells[here[0], time_of(q, when), here[1]] += 1
    else:
        nights: dict[int, Counter[int]] = defaultdict(Counter)
        for when, zone in mine:
            hour = local_clock(q, when).hour
            night = day_of(q, when) - (hour < 6)
            if night >= 0 and not 6 <= hour < 20:
                nights[night][zone] += 1
        for night, zones in nights.items():
            zone = min(zones, key=lambda zone: (-zones[zone], zone))
            cells[zone, night, int(zone != home)] = zones[zone]
    return cells


def reference(q: CountingQuery, case: Case) -> set[tuple[int, Key, int]]:
    """Return (who, cell, events) of every contribution, slowly and plainly."""
    chosen = set()
    for who, segment in SEGMENT.items():
        interval = current_consent(q, case, who)
        if interval is None:
            continue
        low, high = max(microseconds(interval[0]), q.period_from_us), min(microseconds(interval[1]), q.period_to_us)
        mine = [
            (microseconds(when), ZONE_OF[site])
            for person, when, site, _ in set(case[0])
            if person == who and site in ZONE_OF and low <= microseconds(when) < high
        ]
        cells = counted_in(q, mine, HOME[who], segment)

        def draw(cell: Key, who: int = who) -> tuple[int, int, int]:
            since = begins(q, cell[1]) - q.period_from_us
            x = (who % P * KEYS[1] % P + cell[0] % P * KEYS[2] % P + since % P * KEYS[3] % P + KEYS[0]) % P
            return (((x * KEYS[4] + KEYS[5]) % P * x + KEYS[6]) % P * x + KEYS[0]) % P, cell[0], cell[1]

        chosen_of_unit: Counter[int] = Counter()
        for cell in sorted(cells, key=draw):
            unit = day_of(q, begins(q, cell[1])) if q.unit_us == DAY_US else 0
            chosen_of_unit[unit] += 1
            if chosen_of_unit[unit] <= q.max_cells:
                chosen.add((who, cell, min(cells[cell], q.max_events)))
    return chosen


def answer(q: CountingQuery, engine: str, planted: Path | None = None) -> Aggregate:
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir=q.store.objects.prefix))  # type: ignore[attr-defined]
    if engine == "kernel":
        return Kernel(q, folder).run(_quiet)
    text = {} if planted is None else {"definition": planted}
    if engine == "spark":
        return reference_sql.on_spark(q, folder, _quiet, **text)
    database = input_files.scratch_database(folder)
    try:
        return reference_sql.on_duckdb(q, database, folder, _quiet, **text)
    finally:
        database.close()


def _quiet(_step: str, _share: float) -> None:
    pass


def cells_of_answer(given: Aggregate) -> dict[Key, tuple[int, int]]:
    """Return an answer's cells with anybody: people and events."""
    q = given.question
    keys, people, counts = given.cells()
    row = keys // q.segments
    named = zip((row // q.times).tolist(), (row % q.times).tolist(), (keys % q.segments).tolist(), strict=True)
    return dict(zip(named, zip(people.tolist(), counts.tolist(), strict=True), strict=True))


def chosen_cells(given: Aggregate) -> set[tuple[int, Key]]:
    """Return who counts in which cell, as the manifest will see it."""
    q = given.question
    found = set()
    for part in given.contributions:
        people, keys = np.fromfile(part.people, "u4"), np.fromfile(part.keys, "u4")
        counts = keys < q.keys
        of_part = q.references[part.lines]
        for line, key in zip(people[counts].tolist(), keys[counts].tolist(), strict=True):
            row, segment = divmod(key, q.segments)
            who = (int(of_part[line]), (row // q.times, row % q.times, segment))
            assert who not in found
            found.add(who)
    return found


def added(chosen: Sequence[tuple[int, Key, int]] | set[tuple[int, Key, int]]) -> dict[Key, tuple[int, int]]:
    """Return the cells that contributions add up to."""
    sums: dict[Key, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for _, cell, count in chosen:
        sums[cell] = (sums[cell][0] + 1, sums[cell][1] + count)
    return dict(sums)


WEEKLY = {"step_us": 7 * DAY_US, "unit_us": 7 * DAY_US, "period_from_us": engines.microseconds(at(-120))}
"""The week from the Monday before."""


ASKED = (
    ("presence", {}),
    ("presence", {"step_us": DAY_US}),
    ("presence", {"unit_us": DAY_US, "max_zones": 2}),
    ("flows", {}),
    ("flows", {"step_us": DAY_US, "max_cells": 1}),
    ("arrivals", {}),
    ("presence", WEEKLY),
    ("arrivals", WEEKLY | {"max_cells": 1}),
    ("stays", {}),
)


ENGINES = ("kernel", "duckdb")


def compare(case: Case, product: str, other: dict[str, Any], *names: str) -> None:
    """Ingest a case once; each engine of these names answers as plain Python does."""
    with tempfile.TemporaryDirectory() as folder:
        q = question_of(engines.ingested(Path(folder), case), case, product, **other)
        wanted = engines.reference(q, case)
        totals = _totals(q, case) if q.max_zones else None
        for name in names or ENGINES:
            found = answer(q, name)
            assert cells_of_answer(found) == added(wanted), name
            assert chosen_cells(found) == {(who, cell) for who, cell, _ in wanted}, name
            keys = found.cells()[0][::2]
            who, weight = found.weights(keys)
            row = keys // q.segments
            counted = set(
                zip((row // q.times).tolist(), (row % q.times).tolist(), (keys % q.segments).tolist(), strict=True)
            )
            expected = Counter(person for person, cell, _ in wanted if cell in counted)
            assert dict(zip(who.tolist(), weight.tolist(), strict=True)) == expected, name
            assert (np.diff(who) > 0).all(), name
            assert (None if found.totals is None else found.totals.tolist()) == totals, name


def _totals(q: CountingQuery, case: Case) -> list[int]:
    everything = engines.reference(engines.replace(q, max_cells=1000), case)
    visits = Counter((who, cell[1]) for who, cell, _ in everything)
    totals = [0] * q.times
    for (_, time), count in visits.items():
        totals[time] += min(count, q.max_zones)
    return totals


def big(seed: int) -> Case:
    """Return a case with heavy lines, duplicates, instants of whole seconds and of single microseconds."""
    rng = np.random.default_rng(seed)
    events = [
        (PEOPLE[int(who)], at(float(hour)), engines.SITES[int(site)], "")
        for who, hour, site in zip(
            np.minimum(rng.geometric(0.35, 900) - 1, 5),
            np.round(rng.uniform(-1, 49, 900) * 90) / 90,
            rng.integers(0, 5, 900),
            strict=True,
        )
    ]
    consents = [(who, at(float(rng.uniform(-3, 20))), at(1000)) for who in PEOPLE]
    return events + events[:300], consents
