"""The steward's dry run: what would survive and at which price, and a build of nothing that must be asked for twice."""

import datetime as dt
import uuid
from pathlib import Path

import html5lib
import pytest

from marketplace.catalogue.steward.dry_run_queries import run
from marketplace.core.errors import Conflict
from marketplace.datasets.releases import build_requests
from marketplace.datasets.releases.dry_run import NothingToPublish
from marketplace.datasets.releases.ingestion import ingest_events
from tests.catalogue.builders import last_midnight, open_catalogue, seal_week
from tests.datasets.builders import END, START, ZONES, at, declare, write
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.support.reads import fetch_value

WEEK = (last_midnight() - dt.timedelta(days=7), last_midnight())


async def ingest_lines(folder: Path, lines: int) -> None:
    """Ingest a table of so many lines, and no event."""
    await ingest_events(subscribers=write(folder, [(1, START, ZONES[0])], range(1, lines + 1))["subscribers"])


async def test_ways_to_build_are_side_by_side_with_cells_threshold_and_price(tmp_path: Path) -> None:
    await open_catalogue()
    await ingest_lines(tmp_path, 3_000)
    found = await run("lyon", WEEK)
    assert found.found.assumed.consent == 0.2
    ways = {(row.variant.specification.grain, row.variant.specification.resolution) for row in found.rows}
    assert {("day", 6), ("day", 7), ("day", 8), ("hour", 7)} <= ways
    declared = [row for row in found.rows if row.variant.is_declared]
    assert len(declared) == 1
    assert declared[0].variant.foreseen.threshold == declared[0].variant.specification.threshold
    assert declared[0].amount_minor
    epsilons = {
        row.variant.specification.epsilon_micro: row
        for row in found.rows
        if (row.variant.specification.grain, row.variant.specification.resolution) == ("day", 7)
    }
    assert set(epsilons) == {1_000_000, 2_000_000, 4_000_000, 8_000_000}
    assert epsilons[8_000_000].amount_minor >= epsilons[1_000_000].amount_minor  # type: ignore[operator]


async def test_consent_and_sightings_are_the_last_noised_ones(tmp_path: Path) -> None:
    await open_catalogue()
    await ingest_lines(tmp_path, 3_000)
    await seal_week(consenting=450, population=3_000, published_people=1_000)
    found = (await run("lyon", WEEK)).found
    assert (found.assumed.consent, found.assumed.noised_of) == (0.15, "lyon")
    assert found.assumed.is_fitted
    assert found.declared.foreseen.people == pytest.approx(1_000, rel=0.2)
    asked = (await run("lyon", WEEK, consent=0.6)).found
    assert asked.declared.foreseen.people > found.declared.foreseen.people


async def test_a_build_of_nothing_is_refused_unless_it_is_asked_for_twice(tmp_path: Path) -> None:
    await declare()
    await ingest_lines(tmp_path, 12)
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    with pytest.raises(NothingToPublish, match="nothing would be published"):
        await build_requests.request_build("lyon", START, END, request_id=uuid.uuid4(), by="Sam")
    asked = {"first_day": START.date().isoformat(), "last_day": (END - dt.timedelta(days=1)).date().isoformat()}
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        assert "even_if_empty" not in (await sam.get("/en/steward/datasets/lyon")).text
        refused = await sam.submit("/en/steward/datasets/lyon/builds", asked)
        assert refused.status_code == 409
        assert "nothing would be published" in refused.text
        assert 'name="even_if_empty"' in refused.text
        assert await fetch_value("SELECT count(*) FROM build_request") == 0
        asked["even_if_empty"] = "yes"
        again = await sam.submit("/en/steward/datasets/lyon/builds", asked | {"without_days": "yes"})
        assert again.status_code == 303
    assert await fetch_value("SELECT count(*) FROM build_request") == 1


async def test_days_that_were_not_ingested_are_built_without_only_if_said_twice(tmp_path: Path) -> None:
    await declare()
    await ingest_events(**write(tmp_path, [(1, at(10.0), ZONES[0])], range(1, 3_001)))
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    last = END - dt.timedelta(days=1)
    assert last.date() > START.date(), "the second day has no event"
    asked = {"first_day": START.date().isoformat(), "last_day": last.date().isoformat(), "even_if_empty": "yes"}
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        refused = await sam.submit("/en/steward/datasets/lyon/builds", asked)
        assert refused.status_code == 409
        assert "Of the 2 days of UTC that it touches 1 were not ingested" in page_text(refused), page_text(refused)[
            400:1400
        ]
        assert await fetch_value("SELECT count(*) FROM build_request") == 0
        page = html5lib.parse(refused.text, namespaceHTMLElements=False)
        ticked = {box.get("name"): "checked" in box.attrib for box in page.iterfind(".//input[@type='checkbox']")}
        assert (ticked["even_if_empty"], ticked["without_days"]) == (True, False)
        again = await sam.submit("/en/steward/datasets/lyon/builds", asked | {"without_days": "yes"})
        assert again.status_code == 303
    assert await fetch_value("SELECT count(*) FROM build_request") == 1


async def test_the_page_says_what_it_assumes_and_what_is_missing(tmp_path: Path) -> None:
    await open_catalogue()
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    page = "/en/steward/datasets/lyon/dry-run"
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        assert "no table of subscribers" in page_text(await sam.get(page))
        await ingest_lines(tmp_path, 3_000)
        for address in (
            page,
            page.replace("/en/", "/fr/"),
            f"{page}?first_day=2026-03-02&last_day=2026-03-08&consent=40",
        ):
            shown = await sam.get(address)
            html5lib.HTMLParser(strict=True).parse(shown.text)
        assert "40.0% of the lines, as you say" in page_text(shown)
        for wrong in (
            "consent=0",
            "consent=nan",
            "consent=1e999",
            "first_day=soon&last_day=2026-03-08",
            "first_day=9999-12-31&last_day=9999-12-31",
        ):
            answer = await sam.get(f"{page}?{wrong}")
            assert answer.status_code == 200
            assert 'role="alert"' in answer.text


async def test_a_dry_run_of_no_table_is_refused(tmp_path: Path) -> None:
    del tmp_path
    await declare()
    with pytest.raises(Conflict, match="no table of subscribers"):
        await run("lyon", (START, END))


async def test_a_day_that_begins_the_evening_before_by_utc_is_named_with_why(tmp_path: Path) -> None:
    await ingest_events(**write(tmp_path, [(1, at(10.0), ZONES[0])], range(1, 31)))
    local = START - dt.timedelta(hours=1)  # as a day of Paris begins in winter
    with pytest.raises(build_requests.DaysMissing) as refusal:
        await build_requests.refuse_missing_days(local, local + dt.timedelta(days=1))
    eve = local.date().isoformat()
    assert str(refusal.value).startswith(
        f"The period lasts from {eve} 23:00 to {START.date().isoformat()} 23:00 UTC. Of the 2 days of UTC that it touches 1 "
        f"were not ingested, {eve} the first of them. "
    )
