"""A wrong day must not go on counting: a corrected file replaces it, and what is retracted is gone from the next build.

Tried: the corrected file beside what it corrects, under another name, in other bytes, at once from two sides; a person who
erased themselves, brought back by a corrected file; and a past release made to say that it was counted from today's files.
"""

import asyncio
import json
import shutil
import uuid
from pathlib import Path

import pyarrow.csv as pv
import pyarrow.parquet as pq
import pytest

from marketplace.core import clock, object_store
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.settings import settings
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.releases import actions, dossier, queries
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.retractions.actions import retract, retract_erased
from marketplace.people.identity.actions import claim_line, erase_person, issue_activation_codes
from tests.attacks.builders import build_revision
from tests.datasets.builders import START, ZONES, at, crowd, declare, kept, make_subscribers, write
from tests.support.reads import fetch_value

pytestmark = pytest.mark.usefixtures("_room")
PEOPLE = range(1, 301)
RICH = {"epsilon_micro": 10_000_000, "budget_micro": 100_000_000}


@pytest.fixture
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "100000000000")
    settings.cache_clear()


async def declared(**other: int) -> None:
    await declare(**RICH | other)
    await make_subscribers(PEOPLE)


async def published_by_zone(release: uuid.UUID) -> dict[str, int]:
    """Return the published people by zone, those of a few people left out."""
    people: dict[str, int] = {}
    for cell in (await queries.cells(release)).to_pylist():
        people[cell["zone"]] = people.get(cell["zone"], 0) + cell["people"]
    return {zone: count for zone, count in people.items() if count > 20}


def stored_events() -> int:
    store = Store(object_store.store())
    return sum(day["events"] for day in store.state.days.values())


async def test_a_corrected_file_replaces_what_it_said(tmp_path: Path) -> None:
    await declared()
    files = write(tmp_path, crowd(300), PEOPLE)
    await ingest_events(**files)
    write(tmp_path, [*crowd(200, zone=ZONES[1]), (7, at(30), ZONES[1])], PEOPLE)
    assert await ingest_events(**files) == {"2026-03-28": 200, "2026-03-29": 1}
    assert await ingest_events(**files) == {}
    assert set(await published_by_zone(await build_revision())) == {ZONES[1]}
    assert stored_events() == 201


async def test_a_copy_adds_nothing_and_a_version_under_another_name_is_refused(tmp_path: Path) -> None:
    await declared()
    files = write(tmp_path, crowd(300), PEOPLE)
    await ingest_events(**files)
    folder = tmp_path / "again"
    folder.mkdir()
    shutil.copy(files["events"], folder / "2026-03-28-copy.parquet")
    assert await ingest_events(events=str(folder)) == {}
    assert stored_events() == 300
    (folder / "2026-03-28-copy.parquet").unlink()
    table = pq.read_table(files["events"]).slice(0, 250)
    pv.write_csv(table.set_column(1, "at", table["at"].cast("string")), folder / "2026-03-28-corrected.csv")
    sentence = r"2026-03-28-corrected.csv repeats events of 2026-03-28 that .*events.parquet gave: to correct"
    with pytest.raises(Conflict, match=sentence):
        await ingest_events(events=str(folder))
    assert stored_events() == 300
    assert await ingest_events(events=str(folder), replace=True) == {"2026-03-28": 250}
    assert stored_events() == 250
    assert await ingest_events(**files) == {}, "the file that was replaced has nothing new"


async def test_two_who_correct_at_once_end_as_one(tmp_path: Path) -> None:
    files = write(tmp_path, crowd(300), PEOPLE)
    await ingest_events(**files)
    write(tmp_path, crowd(120, zone=ZONES[1]), PEOPLE)
    await asyncio.gather(
        *(ingest_events(**files) for _ in range(2)), retract(START, at(2), reason="A probe.", by="Ada")
    )
    assert stored_events() == 120


async def test_who_erased_themselves_counts_in_no_later_build(tmp_path: Path) -> None:
    await declared(max_cells=21)  # so that everyone counts among the crowd, wherever else they were
    moves = [*crowd(300), *((3, at(hour), ZONES[4]) for hour in range(20))]
    files = write(tmp_path, moves, PEOPLE)
    await ingest_events(**files)
    before = await build_revision()
    assert 3 in (await kept(before, "manifest"))["reference"].to_pylist()
    ((_, code),) = await issue_activation_codes([3])
    await erase_person(
        await claim_line(3, code, email="lea@example.org", name="Léa", password="a rather long sentence")
    )
    at_once = await build_revision(2)
    assert 3 not in (await kept(at_once, "manifest"))["reference"].to_pylist()
    assert await retract_erased() == 21
    assert await retract_erased() == 0
    assert stored_events() == 299
    # A corrected file of a system that knows nothing of the erasure brings nothing back.
    write(tmp_path, [*moves, (4, at(11), ZONES[1])], PEOPLE)
    await ingest_events(**files)
    assert stored_events() == 300
    assert 3 in (await kept(before, "manifest"))["reference"].to_pylist(), "what was sold stays what it was"


async def test_an_interval_is_retracted_of_one_or_of_all(tmp_path: Path) -> None:
    await declared()
    files = write(tmp_path, [*crowd(300), *crowd(300, hour=12, zone=ZONES[1]), *crowd(5, hour=40)], PEOPLE)
    await ingest_events(**files)
    assert await retract(at(11), at(13), reason="A probe counted twice.", by="Ada") == {"2026-03-28": 300}
    assert await retract(at(9), at(41), subscriber=2, reason="A wrong line.", by="Ada") == {
        "2026-03-28": 1,
        "2026-03-29": 1,
    }
    assert await retract(at(11), at(13), reason="Again.", by="Ada") == {}
    assert set(await published_by_zone(await build_revision())) == {ZONES[0]}
    assert await fetch_value("SELECT count(*) FROM retraction WHERE done_at IS NOT NULL") == 3
    for interval, reason, sentence in (
        ((at(2), at(2)), "x", "is empty"),
        ((at(2), clock.now().replace(year=9000)), "x", "not over yet"),
        ((at(2), at(3)), " ", "says why"),
    ):
        with pytest.raises(Invalid, match=sentence):
            await retract(*interval, reason=reason, by="Ada")


async def test_a_past_release_says_what_it_was_counted_from(tmp_path: Path) -> None:
    await declared()
    files = write(tmp_path, crowd(300), PEOPLE)
    await ingest_events(**files)
    first = await build_revision()
    signed = (await queries.get_dossier(first)).document
    stated = json.loads((await queries.get_release(first)).inputs)
    assert [day["day"] for day in stated["days"]] == ["2026-03-28"]
    ((file,),) = (day["files"] for day in stated["days"])
    assert (file["name"], len(file["sha256"])) == ("events.parquet", 64)
    write(tmp_path, crowd(290), PEOPLE)
    await ingest_events(**files)
    second = await build_revision(2)
    now = json.loads((await queries.get_release(second)).inputs)
    assert now["days"][0]["files"][0]["sha256"] != file["sha256"]
    assert now["days"][0]["sha256"] != stated["days"][0]["sha256"]
    assert now["subscribers"] == stated["subscribers"]
    # The first one still says what it did, in its dossier by marks that who may read what is exact can check.
    assert json.loads((await queries.get_release(first)).inputs) == stated
    assert (await queries.get_dossier(first)).document == signed
    assert dossier.read(signed)["inputs"] == dossier.marked(json.dumps(stated))
    assert dossier.read(signed)["inputs"] != dossier.marked(json.dumps(now))
    # A build of files says the same of them, without the store.
    direct = await actions.build("lyon", **files, period_from=START, period_to=at(24))
    assert json.loads((await queries.get_release(direct)).inputs)["days"] == now["days"]
