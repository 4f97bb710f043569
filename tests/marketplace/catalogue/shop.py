"""A small shop for tests of the catalogue: datasets with sealed releases of real Parquet, on offer to a vetted partner."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import uuid
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from marketplace import clock, object_store
from marketplace.catalogue import actions
from marketplace.consent import actions as consent
from marketplace.database import execute
from marketplace.datasets import actions as datasets
from marketplace.datasets.rules import DatasetTerms
from marketplace.datasets.tables import Release
from marketplace.identity import actions as identity
from tests.marketplace.datasets.builders import BANDS, LONG_AGO, PURPOSE, RESOLUTION, ZONES
from tests.marketplace.identity.site import make_partner
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS = 7
TERMS = "standard-1"
LYON = {"title_fr": "Présence par quartier — Lyon", "title_en": "Presence by district — Lyon"}


async def open_shop(*codes: str, **declared: Any) -> None:
    """Declare a purpose and the datasets `codes` (`lyon` by default), each on offer; `declared` overrules the declaration."""
    if not await fetch_value("SELECT count(*) FROM purpose"):
        await consent.define_purpose("presence", "statistics", title_fr="Présence", title_en="Presence")
        await consent.publish_notice(PURPOSE, text_fr="On compte.", text_en="We count.", at=LONG_AGO)
        await actions.define_terms(TERMS, months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    for code in codes or ("lyon",):
        stated: dict[str, Any] = {
            **LYON,
            "description_fr": "Combien de personnes sont vues.",
            "description_en": "How many people are seen.",
            "area": "Lyon",
            "zones": list(ZONES),
            "age_bands": list(BANDS),
            "h3_resolution": RESOLUTION,
            "grain": "day",
            "max_cells": 3,
            "max_events": 2,
            "epsilon_micro": 2_000_000,
            "budget_micro": 600_000_000,
            "half_life_days": 30,
        }
        await datasets.define(DatasetTerms(code=code, purpose=PURPOSE, **stated | declared))
        await actions.list_offer(code, terms=TERMS, full_worth_minor=240_000, floor_minor=15_000, cap_minor=400_000)


def last_midnight() -> dt.datetime:
    return clock.now().replace(hour=0, minute=0, second=0, microsecond=0)


def rows_of(start: dt.datetime, zones: Sequence[str] = ZONES) -> list[dict[str, Any]]:
    """Return a week's cells, each zone's busiest day its own, the first zone withheld on every day."""
    return [
        {
            "zone": zone,
            "starts_at": start + dt.timedelta(days=day),
            "segment": band,
            "people": 100 + 10 * ((number + 3 * day) % DAYS) + day,
            "events": 200 + 10 * ((number + 3 * day) % DAYS) + day,
        }
        for number, zone in enumerate(zones[1:])
        for day in range(DAYS)
        for band in BANDS
    ]


async def make_release(
    dataset: str = "lyon", *, weeks_ago: int = 0, rows: list[dict[str, Any]] | None = None, **other: Any
) -> uuid.UUID:
    """Seal a release of the week that ended `weeks_ago`, with these cells; `other` overrules its row."""
    release, end = uuid.uuid4(), last_midnight() - dt.timedelta(weeks=weeks_ago)
    start = end - dt.timedelta(days=DAYS)
    cells = rows_of(start) if rows is None else rows
    schema = pa.schema(
        [
            ("zone", pa.string()),
            ("starts_at", pa.timestamp("us", tz="UTC")),
            ("segment", pa.string()),
            ("people", pa.int64()),
            ("events", pa.int64()),
        ]
    )
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(cells, schema=schema), file)
    await object_store.put(object_store.cells_key(release), file.getvalue())
    row: dict[str, Any] = {
        "id": release,
        "dataset": dataset,
        "period_from": start,
        "period_to": end,
        "specification": release.hex,
        "state": "sealed",
        "started_at": clock.now(),
        "sealed_at": clock.now(),
        "epsilon_micro": 2_000_000,
        "threshold": 20,
        "noise_variance_micro": 9_000_000,
        "key_count": len(ZONES) * DAYS * len(BANDS),
        "row_count": len(cells),
        "suppressed_micro": 142_857,
        "consenting": 600,
        "population": 1000,
        "median_cell_people": 130,
        "median_cell_population": 217,
        "latest_event_at": end,
        "contributors": 500,
        "total_weight": 1500,
        "cells_sha256": hashlib.sha256(file.getvalue()).hexdigest(),
        "manifest_sha256": "00",
    }
    await Release(**row | other).save()
    await execute("UPDATE dataset SET spent_micro = spent_micro + 2000000 WHERE code = $1", dataset)
    return release


async def make_buyer(email: str = "claire@atelier.example", company: str = "Atelier") -> uuid.UUID:
    """Make a partner that may buy."""
    partner = await make_partner(company, email)
    await identity.vet_partner(partner, "Samir")
    return partner
