"""Builders for tests of the build: a declared dataset, files of events and subscribers, consents in the database."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any

import h3
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace import object_store
from marketplace.consent import actions as consent
from marketplace.database import copy_in
from marketplace.datasets import actions
from marketplace.datasets.rules import DatasetTerms

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable
    from pathlib import Path

PURPOSE = "presence.statistics"
START = dt.datetime(2026, 3, 28, tzinfo=dt.UTC)
END = dt.datetime(2026, 3, 30, tzinfo=dt.UTC)
"""Two days around the night when clocks go forward in France."""
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
RESOLUTION = 7
ZONES = tuple(sorted(h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, RESOLUTION), 1)))
ELSEWHERE = h3.latlng_to_cell(48.8566, 2.3522, RESOLUTION)
BANDS = ("18-39", "40+")

Event = tuple[int, dt.datetime, str]
"""Who, when, in which zone."""


def at(hour: float) -> dt.datetime:
    """Return the instant so many hours into the period."""
    return START + dt.timedelta(hours=hour)


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
        "half_life_days": 30,
    }
    return DatasetTerms(**stated | other)


async def declare(**other: Any) -> str:
    """Define the purpose, its notice and the dataset `lyon`, with `other` in place of the defaults."""
    await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
    await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=LONG_AGO)
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
