"""Finding and comparing over HTTP: words of both languages, names of zones, facets in the address, and what changes."""

import asyncio
import datetime as dt
import json
import re
import uuid
from typing import Any

import asyncpg
import html5lib
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.search.actions import refresh_cards
from marketplace.catalogue.search.finding import find
from marketplace.catalogue.search.queries import SQL, get_news
from marketplace.catalogue.search.rules import FEW, read_state
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.datasets.geography.actions import define_zones
from marketplace.datasets.releases.changes import SQL as CLAIM
from tests.catalogue.builders import cells_of_own_week, last_midnight, open_catalogue, seal_week
from tests.people.builders import Browser, page_text
from tests.support.reads import fetch, fetch_value

MANY = 100
"""Pages: half of what the rows of twenty thousand changes fill; their index's are sixty."""
SQUARE = [[[4.8, 45.7], [4.9, 45.7], [4.9, 45.8], [4.8, 45.7]]]


def datasets_shown(page: Any) -> list[str]:
    assert page.status_code == 200, page.text
    html5lib.HTMLParser(strict=True).parse(page.text)
    return re.findall(r'<h2><a href="/[a-z]+/datasets/([^"]+)"', page.text)


async def test_a_visitor_narrows_corrects_sorts_and_compares_by_the_address_alone() -> None:
    features = [
        {
            "type": "Feature",
            "properties": {"code": code, "name": name},
            "geometry": {"type": "Polygon", "coordinates": SQUARE},
        }
        for code, name in (("69381", "Croix-Rousse"), ("69382", "Confluence"))
    ]
    await define_zones("lyon-quarters", json.dumps({"type": "FeatureCollection", "features": features}), by="Samir")
    named = {"type": "FeatureCollection", "features": features[:1]}
    await define_zones("quays", json.dumps(named), by="Samir", titles=("Quais de la Saône", "Quays of the Saône"))
    await open_catalogue("lyon", zone_table="lyon-quarters", zones=["69381", "69382"], h3_resolution=1)
    await open_catalogue("nights", title_fr="Nuitées", title_en="Nights", area="Lille", grain="hour")
    await execute("UPDATE dataset SET cadence = 'week' WHERE code = 'nights'")
    await open_catalogue("plain", area="Lyon")
    quarters = cells_of_own_week(last_midnight() - dt.timedelta(days=7), ("69381", "69382"))
    await seal_week("lyon", rows=quarters)
    await seal_week("nights", weeks_ago=1)
    await seal_week("plain", weeks_ago=2)
    async with Browser() as browser:
        assert datasets_shown(await browser.get("/en/catalogue")) == ["lyon", "nights", "plain"]
        for query, codes in (
            ("search=croix rousse", ["lyon"]),
            ("search=confluance", ["lyon"]),
            ("search=nuitees", ["nights"]),
            ("search=nigths", ["nights"]),
            ("search=the nights", ["nights"]),
            ("area=Lyon", ["lyon", "plain"]),
            ("area=Lyon&zones=lyon-quarters", ["lyon"]),
            ("grain=hour&grain=day", ["lyon", "nights", "plain"]),
            ("cadence=week", ["nights"]),
            ("area=Nowhere", []),
            ("sort=cheap", ["nights", "plain", "lyon"]),
            ("sort=cheap&area=Lyon", ["plain", "lyon"]),
            ("sort=dear", ["lyon", "plain", "nights"]),
            ("below=1", []),
            ("below=9999", ["lyon", "nights", "plain"]),
        ):
            assert datasets_shown(await browser.get(f"/en/catalogue?{query}")) == codes, query
            assert datasets_shown(await browser.get(f"/fr/catalogue?{query}")) == codes, query
        corrected = page_text(await browser.get("/fr/catalogue?search=confluance"))
        assert "rien ne contient « confluance » ; voici « confluence »" in corrected.replace("\u202f", " ").replace(
            "\xa0", " "
        )
        narrowed = await browser.get("/en/catalogue?area=Lyon&sort=cheap&below=9999")
        assert 'href="/en/catalogue?area=Lyon&amp;zones=lyon-quarters&amp;below=9999&amp;sort=cheap"' in narrowed.text
        assert 'href="/en/catalogue?below=9999&amp;sort=cheap"' in narrowed.text, "a chosen value can be removed"
        assert "By hour" in page_text(await browser.get("/en/catalogue"))
        for language, name, titled in (
            ("fr", "Zones de l’opérateur : lyon quarters", "Quais de la Saône"),
            ("en", "The operator’s zones: lyon quarters", "Quays of the Saône"),
        ):
            for query in ("catalogue", "catalogue?zones=quays", "compare?dataset=lyon&dataset=nights"):
                words = page_text(await browser.get(f"/{language}/{query}")).replace("\u202f", " ").replace("\xa0", " ")
                assert name in words, (language, query)
                assert "lyon-quarters" not in words, (language, query)
                assert (titled in words) == ("quays" in query)
        both = await browser.get("/en/compare?dataset=lyon&dataset=nights")
        html5lib.HTMLParser(strict=True).parse(both.text)
        assert all(
            words in page_text(both) for words in ("Presence by district", "Nights", "Lille", "Every week", "12 months")
        )
        older = await seal_week("lyon", weeks_ago=5, rows=quarters)
        latest = await fetch_value("SELECT id FROM release WHERE dataset = 'lyon' ORDER BY period_to DESC LIMIT 1")
        assert (
            page_text(await browser.get(f"/fr/compare?release={older}&release={latest}")).count("Présence par quartier")
            == 2
        )
        few = await browser.get("/en/compare?dataset=lyon")
        assert few.status_code == 422
        assert "Choose two to 4 datasets" in few.text
        assert (await browser.get("/en/compare?dataset=lyon&dataset=nowhere")).status_code == 404
        assert (await browser.get(f"/en/compare?dataset=lyon&release={uuid.uuid4()}")).status_code == 422
        answer = (await browser.get("/api/v1/datasets?area=Lyon&search=presense")).json()
        assert [row["code"] for row in answer["datasets"]] == ["lyon", "plain"]
        assert (answer["total"], answer["facets"]["grain"], answer["instead"]) == (
            2,
            {"day": 2},
            {"presense": "presence"},
        )


async def test_cards_follow_what_changes_and_prices_that_grow_old() -> None:
    await open_catalogue("lyon", "paris")
    release = await seal_week("lyon")
    await seal_week("paris")

    async def codes() -> list[str]:
        return sorted((await find(read_state([]), skip=0, most=9)).codes)

    assert await codes() == ["lyon", "paris"]
    await catalogue.withdraw_offer("paris")
    assert await codes() == ["lyon"]
    await execute(
        "INSERT INTO revocation (release, reason_fr, reason_en, revoked_at, revoked_by) VALUES ($1, 'x', 'x', $2, 'Samir')",
        release,
        clock.now(),
    )
    assert await codes() == []
    await seal_week("lyon", weeks_ago=1)
    assert await codes() == ["lyon"]
    before = await fetch_value("SELECT price_minor FROM search_card WHERE dataset = 'lyon'")
    assert await refresh_cards() == 0
    with clock.started_at(clock.now() + dt.timedelta(days=10)):
        assert await refresh_cards() == 1
    assert await fetch_value("SELECT price_minor FROM search_card WHERE dataset = 'lyon'") < before
    await execute("DELETE FROM search_card")
    await execute("INSERT INTO search_card (dataset, version, looked_at) VALUES ('lyon', 1, $1)", clock.now())
    assert await codes() == [], "after a restore of an earlier instant too"
    await execute("INSERT INTO dataset_change (dataset) VALUES ('lyon')")
    assert await codes() == ["lyon"]


async def test_nobody_waits_for_the_cards_of_very_many_changes() -> None:
    """What a bulk import changes is the job's: before, each search looked at two hundred of them again, one after another."""
    await open_catalogue("lyon", "paris")
    await seal_week("lyon")
    await seal_week("paris")
    assert len((await find(read_state([]), skip=0, most=9)).codes) == 2
    await catalogue.withdraw_offer("paris")
    await execute("INSERT INTO dataset_change (dataset) SELECT 'lyon' FROM generate_series(1, $1)", FEW)
    async with Browser() as browser:
        for _ in range(3):
            assert datasets_shown(await browser.get("/en/catalogue")) == ["lyon"], (
                "what is withdrawn is shown to nobody"
            )
        assert await fetch_value("SELECT count(*) FROM dataset_change") == FEW + 1
        await refresh_cards()
        assert await fetch_value("SELECT count(*) FROM dataset_change") == 0
        assert datasets_shown(await browser.get("/en/catalogue")) == ["lyon"]
        assert (await find(read_state([]), skip=0, most=9)).total == 1


async def test_a_change_that_is_committed_late_is_seen_after_later_ones_are_gone(database_url: str) -> None:
    """Its number is lower than that of changes which were looked at and deleted meanwhile, and looked for no more."""
    await open_catalogue("lyon", "paris")
    await seal_week("lyon")
    await seal_week("paris")
    late = await asyncpg.connect(database_url)
    try:
        async with asyncio.timeout(30):
            transaction = late.transaction()
            await transaction.start()
            await late.execute("UPDATE offer SET withdrawn_at = now() WHERE dataset = 'paris'")
            for _ in range(6):
                await execute("UPDATE dataset SET title_en = title_en || '.' WHERE code = 'lyon'")
                for _ in range(4):
                    assert len((await find(read_state([]), skip=0, most=9)).codes) == 2
            await transaction.commit()
            assert (await find(read_state([]), skip=0, most=9)).codes == ["lyon"]
    finally:
        await late.close()


@pytest.mark.owner("only the owner of a table analyzes it")
@pytest.mark.usefixtures("database_url")
async def test_claiming_changes_reads_them_once_however_few_the_planner_expects() -> None:
    await open_catalogue("lyon")
    insert = "INSERT INTO dataset_change (dataset) SELECT 'lyon' FROM generate_series(1, 1000)"
    await execute(insert)
    await execute("DELETE FROM dataset_change")
    await execute("ANALYZE dataset_change")  # it was empty for a moment, as after a quiet night
    await execute(insert)
    plan = [str(row[0]) for row in await fetch(f"EXPLAIN ANALYZE {CLAIM['claim_changes'].replace('$1', '5')}")]
    reads = [line for line in plan if "dataset_change" in line and "loops=" in line]
    assert len(reads) > 1
    assert all("loops=1)" in line for line in reads), "\n".join(plan)


@pytest.mark.owner("it drops the statistics of the table that other tests left to the planner")
@pytest.mark.usefixtures("database_url")
async def test_no_search_reads_the_rows_of_changes_that_were_looked_at() -> None:
    """Twenty thousand that are deleted lie in their pages until these are vacuumed: a search passes them in their index."""
    await execute("TRUNCATE dataset_change")
    await open_catalogue("lyon")
    await seal_week("lyon")
    await execute("INSERT INTO dataset_change (dataset) SELECT 'lyon' FROM generate_series(1, 20000)")
    while (await get_news()).unseen:
        await refresh_cards()
    asked = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT TEXT) {SQL['find_news'].replace('$1', '201')}"
    read = MANY
    async with asyncio.timeout(30):
        while read >= MANY:  # Other transactions of this server end first; then the index knows which changes are gone.
            plan = "\n".join(str(row[0]) for row in await fetch(asked))
            buffers = re.findall(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?", plan)
            read = int(buffers[0][0] or 0) + int(buffers[0][1] or 0)
