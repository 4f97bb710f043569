"""The scene of a corrected day for `tests.support.dying`: its file is ingested and the next build made, and that is killed on the way."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pyarrow.parquet  # noqa: F401 (once here, or for a second in every child)

from marketplace.datasets import actions, queries
from marketplace.datasets.ingestion import ingest_events
from marketplace.settings import settings
from tests.marketplace.datasets.builders import ZONES, crowd, terms, write
from tests.marketplace.datasets.test_build import PERIOD
from tests.support.dying import Scene
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    import uuid

PEOPLE = range(1, 301)
EPSILON_MICRO = 10_000_000
OLD, NEW = crowd(300), crowd(200, zone=ZONES[1])


async def ingest(events: list[tuple[int, object, str]]) -> None:
    """Ingest the day's file, which says this now."""
    await ingest_events(**write(settings().state / "inbox", events, PEOPLE))  # type: ignore[arg-type]


async def build(name: str, revision: int) -> uuid.UUID:
    """Build a revision of the day from what the store has of it."""
    notes = {"note_fr": "Corrigé.", "note_en": "Corrected."} if revision > 1 else {}
    return await actions.build(f"killed-{name}", **PERIOD, revision=revision, **notes)


async def said_by(release: uuid.UUID) -> tuple[set[str], str]:
    """Return the zones that a release has more than a few people in, and the digest of the day's events that it states."""
    (day,) = json.loads((await queries.get_release(release)).inputs)["days"]
    people: dict[str, int] = {}
    for cell in (await queries.cells(release)).to_pylist():
        people[cell["zone"]] = people.get(cell["zone"], 0) + cell["people"]
    return {zone for zone, count in people.items() if count > 20}, day["sha256"]


async def before(name: str) -> None:
    """Publish the day as it was thought to be."""
    await actions.define(terms(code=f"killed-{name}", epsilon_micro=EPSILON_MICRO, budget_micro=10 * EPSILON_MICRO))
    await ingest(OLD)
    assert (await said_by(await build(name, 1)))[0] == {ZONES[0]}


async def act(name: str) -> None:
    """Correct the day, and build it again."""
    await ingest(NEW)
    await build(name, 2)


async def after(name: str) -> None:
    """Go on with the build: it is of the day as it was or as it is, as it says; with what is ingested at last, of the latter."""
    second = await build(name, 2)
    await ingest(NEW)
    third = await build(name, 3)
    first = await fetch_value("SELECT id FROM release WHERE dataset = $1 ORDER BY revision LIMIT 1", f"killed-{name}")
    old, new = await said_by(first), await said_by(third)
    assert (old[0], new[0]) == ({ZONES[0]}, {ZONES[1]})
    assert old[1] != new[1]
    found = await said_by(second)
    assert found in (old, new), f"{found} is neither {old} nor {new}"
    spent = await fetch_value("SELECT spent_micro FROM dataset WHERE code = $1", f"killed-{name}")
    assert spent == 3 * EPSILON_MICRO


COUNTED = ("marketplace/datasets/ingestion.py", "marketplace/datasets/actions.py")
SCENES = {"corrected": Scene(before, act, after, COUNTED, later=dt.timedelta(0))}
"""At once: a clock that was put back builds nothing."""
