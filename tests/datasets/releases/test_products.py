"""Flows and stays from end to end, from the ingested store, and what the store gives a build after a withdrawal."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.consent.purposes import actions as consent
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, build_requests, queries
from marketplace.datasets.releases.ingestion import ingest_events, ingest_new
from tests.datasets import builders
from tests.datasets.builders import PERIOD, START, ZONES, at, crowd, declare, make_subscribers, write
from tests.support.reads import fetch_value

RICH = {"epsilon_micro": 10_000_000, "budget_micro": 100_000_000}


@pytest.fixture
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "100000000000")
    settings.cache_clear()


@pytest.mark.usefixtures("_room")
async def test_flows_are_counted_between_zones(tmp_path: Path) -> None:
    await declare(product="flows", **RICH)
    await make_subscribers(range(1, 301))
    moves = [*crowd(300, hour=8), *crowd(200, hour=9.5, zone=ZONES[1]), *crowd(100, hour=20, zone=ZONES[2])]
    await ingest_events(**write(tmp_path, moves, range(1, 301)))
    release = await actions.build("lyon", **PERIOD)
    cells = (await queries.cells(release)).to_pylist()
    large = [cell for cell in cells if cell["people"] > 100]
    assert [(c["zone"], c["starts_at"], c["segment"]) for c in large] == [(f"{ZONES[0]}>{ZONES[1]}", at(9), "all")]
    assert abs(large[0]["people"] - 200) < 20
    row = await queries.get_release(release)
    assert row.key_count == len(ZONES) ** 2 * 48
    manifest = await queries.manifest(release)
    assert set(range(1, 201)) <= set(manifest.references.tolist())


@pytest.mark.usefixtures("_room")
async def test_a_week_counts_everyone_once(tmp_path: Path) -> None:
    await declare(grain="week", **RICH)
    await make_subscribers(range(1, 301))
    daily = [event for hour in (-110, -60, 10, 40) for event in crowd(300, hour=hour)]
    await ingest_events(**write(tmp_path, daily, range(1, 301)))
    with pytest.raises(Invalid, match="on a whole week"):
        await actions.build("lyon", period_from=at(-96), period_to=at(72))
    release = await actions.build("lyon", period_from=at(-120), period_to=at(48))
    assert (await queries.get_release(release)).refusal is None
    cells = [cell for cell in (await queries.cells(release)).to_pylist() if cell["people"] > 50]
    assert [(cell["zone"], cell["starts_at"]) for cell in cells] == [(ZONES[0], at(-120))] * 2
    assert abs(sum(cell["people"] for cell in cells) - 300) < 20
    with pytest.raises(Invalid, match="is built by week"):
        await build_requests.set_cadence("lyon", "day")
    with pytest.raises(Invalid, match="for the whole release"):
        await declare(code="days", grain="week", unit="day")


@pytest.mark.usefixtures("_room")
async def test_stays_distinguish_residents_from_visitors(tmp_path: Path) -> None:
    await declare(product="stays", grain="day", **RICH)
    await make_subscribers(range(1, 401))
    nights = [
        *crowd(300, hour=23),
        *crowd(100, hour=21, first=301, zone=ZONES[1]),
        *crowd(400, hour=12, zone=ZONES[3]),
    ]
    await ingest_events(**write(tmp_path, nights, range(1, 401)))
    release = await actions.build("lyon", **PERIOD)
    cells = [cell for cell in (await queries.cells(release)).to_pylist() if cell["people"] > 50]
    assert {(c["zone"], c["starts_at"], c["segment"]) for c in cells} == {
        (ZONES[0], START, "resident"),
        (ZONES[1], START, "visitor"),
    }


async def test_products_that_make_no_sense_are_refused() -> None:
    for other in (
        {"product": "shopping"},
        {"product": "stays"},
        {"product": "flows", "max_zones": 3},
        {"product": "flows", "parent_resolution": 5},
    ):
        with pytest.raises(Invalid):
            await declare(**other)


@pytest.mark.long
async def test_a_build_without_files_reads_what_was_ingested(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 301))
    with pytest.raises(Invalid, match="has no table of subscribers"):
        await actions.build("lyon", **PERIOD)
    files = write(tmp_path, crowd(300), range(1, 301))
    await ingest_events(subscribers=files["subscribers"])
    with pytest.raises(Invalid, match="event store is empty"):
        await actions.build("lyon", **PERIOD)
    assert await fetch_value("SELECT spent_micro FROM dataset") == 0
    days = await ingest_events(events=files["events"])
    assert days == {"2026-03-28": 300}
    assert await ingest_events(events=files["events"]) == {}
    stored = await actions.build("lyon", **PERIOD)
    assert (await queries.get_release(stored)).state == "sealed"
    assert len((await queries.manifest(stored)).references) >= 300 * 9 // 10
    with pytest.raises(Invalid, match="nothing to ingest"):
        await ingest_events()
    await ingest_new()


async def test_sites_lie_where_the_operators_table_says(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 301))
    files = write(tmp_path, [], range(1, 301))
    instants = pa.array([at(10)] * 300, pa.timestamp("us", tz="UTC"))
    table = pa.table({"subscriber_id": pa.array(range(1, 301)), "at": instants, "site": pa.array([7] * 300)})
    pq.write_table(table, tmp_path / "events.parquet")
    sites = tmp_path / "sites.csv"
    sites.write_text(f"site,zone\n7,{ZONES[2]}\n8,\n")
    with pytest.raises(Invalid, match=r"sites.csv, row 2 has no zone"):
        await ingest_events(sites=str(sites))
    sites.write_text(f"site,zone\n7,{ZONES[2]}\n7,{ZONES[3]}\n")
    with pytest.raises(Invalid, match=r"sites.csv, row 2 repeats a site"):
        await ingest_events(sites=str(sites))
    sites.write_text(f"site,zone\n7,{ZONES[2]}\n")
    await ingest_events(**files, sites=str(sites))
    cells = (await queries.cells(await actions.build("lyon", **PERIOD))).to_pylist()
    assert {cell["zone"] for cell in cells if cell["people"] > 100} == {ZONES[2]}


@pytest.mark.long
@pytest.mark.usefixtures("_room")
async def test_after_a_withdrawal_a_build_from_the_store_holds_nothing_of_them(tmp_path: Path) -> None:
    """One person alone in a zone, hour after hour, would show: the store still has their events, no build reads them."""
    await declare(max_cells=40, epsilon_micro=2_000_000_000, budget_micro=8_000_000_000)
    await make_subscribers([1, 2, 3])
    loner = [(3, at(hour), ZONES[4]) for hour in range(40)]
    await ingest_events(**write(tmp_path, [(1, at(1), ZONES[0]), (2, at(2), ZONES[0]), *loner], [1, 2, 3]))
    before = await builders.kept(await actions.build("lyon", period_from=START, period_to=at(47)), "manifest")
    assert 3 in before["reference"].to_pylist()
    await consent.withdraw(3, builders.PURPOSE)
    gone = await actions.build("lyon", **PERIOD)
    assert (await builders.kept(gone, "manifest"))["reference"].to_pylist() == [1, 2]
    assert ZONES[4] not in (await builders.kept(gone, "cells"))["zone"].to_pylist()


async def test_a_store_that_lost_a_day_stops_a_build_with_a_sentence(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 301))
    await ingest_events(**write(tmp_path, crowd(300), range(1, 301)))
    (day,) = (settings().state / "objects" / "private" / "events" / "days").iterdir()
    kept = day.read_bytes()
    day.unlink()
    with pytest.raises(Conflict, match="event store is damaged: 2026-03-28"):
        await actions.build("lyon", **PERIOD)
    day.write_bytes(kept)
    release = await actions.build("lyon", **PERIOD)
    assert (await queries.get_release(release)).state == "sealed"
    # The budget was spent before the store was looked at, and once.
    assert await fetch_value("SELECT spent_micro FROM dataset") == 2_000_000
