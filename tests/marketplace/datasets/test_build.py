"""The build from end to end: what is published, what is recorded, and what a second run does."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from marketplace import clock
from marketplace.consent import actions as consent
from marketplace.database import execute, fetch, fetch_value
from marketplace.datasets import actions, objects, queries
from marketplace.errors import Conflict, Invalid, NotFound
from tests.marketplace.datasets import worlds
from tests.marketplace.datasets.worlds import BANDS, END, START, ZONES, at, crowd, declare, enlist, write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PERIOD = {"period_from": START, "period_to": END}


def test_a_crowd_is_published_and_a_loner_is_not(run: Callable[..., Any], tmp_path: Path) -> None:
    async def story() -> None:
        await declare()
        await enlist(range(1, 402))
        files = write(tmp_path, [*crowd(400), (401, at(20), ZONES[3])], range(1, 402))
        release = await actions.build("lyon", **files, **PERIOD)
        row = await queries.get_release(release)
        assert row["state"] == "sealed"
        cells = (await queries.cells(release)).to_pylist()
        crowded = [cell for cell in cells if cell["people"] > 100]
        assert {(c["zone"], c["starts_at"], c["segment"]) for c in crowded} == {(ZONES[0], at(10), band) for band in BANDS}
        assert all(abs(cell["people"] - 200) < 60 for cell in crowded)
        assert all(cell["events"] >= cell["people"] >= row["threshold"] for cell in cells)
        assert len(cells) == row["row_count"]
        assert row["key_count"] == len(ZONES) * 48 * 2
        assert row["suppressed_micro"] == (row["key_count"] - len(cells)) * 1_000_000 // row["key_count"]
        assert row["population"] == 401
        assert abs(row["consenting"] - 401) <= 401
        assert row["latest_event_at"] == max(cell["starts_at"] for cell in cells) + dt.timedelta(hours=1)
        assert row["contributors"] >= 400
        manifest = await queries.manifest(release)
        assert manifest.references[:400].tolist() == list(range(1, 401))
        assert int(manifest.weights.sum()) == row["total_weight"]
        assert await fetch_value("SELECT spent_micro FROM dataset") == 2_000_000
        notices = await queries.list_notices(release)
        assert [notice["version"] for notice in notices] == [1]
        data = await objects.get(objects.cells_key(release))
        assert hashlib.sha256(data).hexdigest() == row["cells_sha256"]

    run(story)
