"""Builders for tests of the build: a declared dataset, files of events and subscribers, consents in the database."""

import datetime as dt
import io
import random
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.store import LocalStore

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.actions import give_many
from marketplace.core import object_store
from marketplace.core.database import copy_in
from marketplace.core.instants import HOUR_US
from marketplace.datasets.builds.event_store import MOST_PLACES, PLACE_BITS, Store
from marketplace.datasets.releases import actions
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.privacy.dictionary import DatasetFacts, columns
from marketplace.privacy.product_registry import PRODUCTS
from tests.consent.builders import PURPOSE, explain_purpose

START = dt.datetime(2026, 3, 28, tzinfo=dt.UTC)
END = dt.datetime(2026, 3, 30, tzinfo=dt.UTC)
"""Two days around the night when clocks go forward in France."""
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
RESOLUTION = 7
ZONES = tuple(sorted(h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, RESOLUTION), 1)))
ELSEWHERE = h3.latlng_to_cell(48.8566, 2.3522, RESOLUTION)
BANDS = ("18-39", "40+")

DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)

Event = tuple[int, dt.datetime, str]
"""Who, when, in which zone."""


def at(hour: float) -> dt.datetime:
    """Return the instant so many hours into the period."""
    return START + dt.timedelta(hours=hour)


def stated_days(
    start: dt.datetime, end: dt.datetime, cells: int, *, zones: int, latest: dt.datetime | None = None
) -> dict[str, list[int]]:
    """Return what a release states of its days: so many cells, alike in all zones, in one step until its latest event."""
    until = end - max(end - (latest or end), 0 * DAY) // DAY * DAY
    hours = [max((until - start) // HOUR, 1)] + [(end - until) // HOUR] * (until < end)
    later = [0] * (len(hours) - 1)
    return {
        "hours_by_day": hours,
        "published_by_day": [cells, *later],
        "published_by_zone": [cells // zones, *later] * zones,
    }


def events_table(events: Iterable[Event]) -> pa.Table:
    rows = [(who, when, *h3.cell_to_latlng(zone)) for who, when, zone in events]
    columns = list(zip(*rows, strict=True)) if rows else [[], [], [], []]
    return pa.table(
        {
            "subscriber_id": pa.array(columns[0], pa.int64()),
            "at": pa.array(columns[1], pa.timestamp("us", tz="UTC")),
            "latitude": pa.array(columns[2], pa.float64()),
            "longitude": pa.array(columns[3], pa.float64()),
        }
    )


def write(folder: Path, events: Iterable[Event], people: Iterable[int]) -> dict[str, str]:
    """Write both files and return them as the build's arguments; odd references are of the second band."""
    folder.mkdir(parents=True, exist_ok=True)
    people = sorted(people)
    pq.write_table(events_table(events), folder / "events.parquet")
    table = pa.table(
        {
            "subscriber_id": pa.array(people, pa.int64()),
            "age_band": pa.array([BANDS[who % 2] for who in people], pa.string()),
            "home_zone": pa.array([ZONES[0] for _ in people], pa.string()),
        }
    )
    pq.write_table(table, folder / "subscribers.parquet")
    return {"events": str(folder / "events.parquet"), "subscribers": str(folder / "subscribers.parquet")}


def terms(**other: Any) -> DatasetTerms:
    """Return the terms of the dataset `lyon`, with `other` in place of the defaults."""
    stated: dict[str, Any] = {
        "code": "lyon",
        "purpose": PURPOSE,
        "title_fr": "Lyon",
        "title_en": "Lyon",
        "description_fr": "Qui est où.",
        "description_en": "Who is where.",
        "area": "Lyon",
        "zones": list(ZONES),
        "age_bands": list(BANDS),
        "h3_resolution": RESOLUTION,
        "grain": "hour",
        "max_cells": 3,
        "max_events": 2,
        "epsilon_micro": 2_000_000,
        "budget_micro": 6_000_000,
    }
    return DatasetTerms(**stated | other)


async def declare(**other: Any) -> str:
    """Define the purpose, its notice and the dataset `lyon`, with `other` in place of the defaults."""
    await explain_purpose(LONG_AGO)
    return await actions.define(terms(**other))


async def make_subscribers(people: Iterable[int], *, consenting: Iterable[int] | None = None) -> None:
    """Make lines of `people`, and let `consenting` (all of them) consent long ago."""
    people = list(people)
    await copy_in("subscriber", ["reference"], [(who,) for who in people])
    await consent.give_many(PURPOSE, people if consenting is None else list(consenting), LONG_AGO)


def crowd(size: int, *, zone: str = ZONES[0], hour: float = 10, first: int = 1) -> list[Event]:
    """Return one event of each of `size` people in one zone and hour."""
    return [(first + n, at(hour), zone) for n in range(size)]


async def kept(release: uuid.UUID, name: str) -> pa.Table:
    """Return a private file of a release, whatever its state: noisy, cells or manifest, whose rows of nobody are left out."""
    table = pq.read_table(io.BytesIO(await object_store.get(object_store.private_key(release, f"{name}.parquet"))))
    return table.filter(pa.array(table["weight"].to_numpy() > 0)) if name == "manifest" else table


PERIOD = {"period_from": START, "period_to": END}


CROWD = range(1, 1_201)


DAYS_ASKED = {"first_day": START.date().isoformat(), "last_day": (END - dt.timedelta(days=1)).date().isoformat()}


async def ingest_crowd(folder: Path) -> None:
    """Ingest two days of a crowd that consents."""
    events = [(who, at(hour), ZONES[who % 3]) for who in CROWD for hour in (9.5, 30.25)]
    await copy_in("subscriber", ["reference"], [(who,) for who in CROWD])
    await give_many(PURPOSE, list(CROWD), LONG_AGO)
    await ingest_events(**write(folder, events, CROWD))


FIRST_DAY = dt.datetime(2026, 3, 28, tzinfo=dt.UTC)


StoredEvent = tuple[int, dt.datetime, str, str]


def random_events(seed: int, count: int = 400, step_us: int = 1) -> list[StoredEvent]:
    rng = random.Random(seed)  # noqa: S311 (a case, not a secret)
    return [
        (
            rng.choice((1, 2**40 + 7, 2**62 + 5, 12)),
            FIRST_DAY + dt.timedelta(microseconds=rng.randrange(0, 2 * 86_400_000_000, step_us)),
            rng.choice(("a", "b", "c")),
            rng.choice(("", "call")),
        )
        for _ in range(count)
    ]


def write_stored_events(path: Path, events: list[StoredEvent]) -> Path:
    columns = list(zip(*events, strict=True)) if events else [[], [], [], []]
    kinds = {"subscriber_id": pa.int64(), "at": pa.timestamp("us", tz="UTC"), "site": pa.string(), "kind": pa.string()}
    table = pa.table({name: pa.array(c, kind) for (name, kind), c in zip(kinds.items(), columns, strict=True)})
    pq.write_table(table, path)
    return path


def open_store(folder: Path, **how: Any) -> Store:
    (folder / "store").mkdir(exist_ok=True)
    return Store(LocalStore(folder / "store"), **how)


def events_of(store: Store) -> list[StoredEvent]:
    """Return every event of the store, in order."""
    people, (sites, _, _) = store.people(), store.places()
    found = []
    for name in store.state.days:
        day = dt.datetime.fromisoformat(name).replace(tzinfo=dt.UTC)
        for bucket in range(store.buckets):
            rows = store.rows(day.date(), bucket)
            micros = (rows.visit >> PLACE_BITS).astype(np.int64) * HOUR_US + rows.micros
            for who, since, place, kind in zip(
                people[rows.people].tolist(),
                micros.tolist(),
                (rows.visit & (MOST_PLACES - 1)).tolist(),
                rows.kind.tolist(),
                strict=True,
            ):
                site = sites[place]
                assert site is not None
                found.append((who, day + dt.timedelta(microseconds=since), site, store.state.kinds[kind]))
    return sorted(found)


MEANINGS = columns(PRODUCTS["presence"], DatasetFacts("hour", ("18-39", "40+"), 20, 7, "", "Europe/Paris"))


@dataclass(frozen=True)
class ReleaseLookedAt:
    """A release that is looked at."""

    id: uuid.UUID
    dataset: str
