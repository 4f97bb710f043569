"""Saved searches over HTTP: what matched is known, what is new or falls below a price is written about, once a day."""

import asyncio
import datetime as dt
import uuid

import html5lib

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.stated import state_sheet
from marketplace.catalogue.search import saved
from marketplace.core import clock
from marketplace.people.identity.actors import Actor
from tests.catalogue.builders import make_vetted_partner, open_catalogue, seal_week, sheet_document
from tests.people.builders import Browser, kinds_written, page_text
from tests.support.reads import fetch, fetch_value

HOUR = dt.timedelta(hours=1)


async def test_a_saved_search_writes_of_new_releases_and_falling_prices_until_it_is_stopped() -> None:
    await open_catalogue("lyon", "paris")
    await seal_week("lyon", weeks_ago=2)
    await make_vetted_partner()
    await make_vetted_partner("bob@rival.example", "Rival")
    now = clock.now()

    async def alerts(hours: float) -> int:
        with clock.started_at(now + hours * HOUR):
            return await saved.write_alerts()

    async with Browser() as claire, Browser() as bob:
        await claire.sign_in("claire@atelier.example")
        await bob.sign_in("bob@rival.example")
        found = await claire.get("/en/catalogue?search=lyon&below=9000")
        assert "Save this search" in page_text(found)
        query = {"query": "search=lyon&below=9000", "name": "Lyon, cheap"}
        for _ in range(2):
            made = await claire.submit("/en/searches", query, form_id="00000000-0000-4000-8000-000000000001")
            assert made.headers["location"] == "/en/searches"
        assert (
            await claire.submit("/en/searches", {"query": "below=400&area=Lyon", "name": "Under"})
        ).status_code == 303
        page = await claire.get("/fr/searches")
        html5lib.HTMLParser(strict=True).parse(page.text)
        assert "Lyon, cheap" in page.text
        assert "pas encore" in page_text(page)
        assert "« lyon », jusqu’à" in page.text, "quoted as French quotes"
        assert "“lyon”, up to" in (await claire.get("/en/searches")).text
        nameless = await claire.submit("/en/searches", query | {"name": " "})
        assert nameless.status_code == 422
        assert 'id="name-error"' in nameless.text
        assert await alerts(2) == 0, "what matched when it was saved is known"
        await seal_week("lyon", weeks_ago=1)
        await seal_week("paris", weeks_ago=1)
        assert await alerts(4) == 1
        assert await alerts(4.5) == 0
        with clock.started_at(now + 5 * HOUR):
            await catalogue.withdraw_offer("paris")
            cheaper = await sheet_document("lyon", worth_minor=20_000)
            await state_sheet("sheet-lyon", cheaper, Actor(name="Samir", role="steward"), version=uuid.uuid4())
        assert await alerts(6) == 1, "the price fell below 400 euros"
        await seal_week("lyon")
        assert await alerts(8) == 0, "once a day at most"
        assert await alerts(40) == 2
        inbox = page_text(await claire.get("/en/inbox"))
        assert "Something new for “Lyon, cheap”" in inbox
        own = await fetch_value("SELECT id FROM saved_search WHERE name = 'Under'")
        assert (await bob.submit(f"/en/searches/{own}/stop", {})).status_code == 404
        assert (await claire.submit(f"/en/searches/{own}/stop", {})).status_code == 303
        for number in range(saved.MOST_SAVED):
            last = await claire.submit("/en/searches", query | {"name": f"More {number}"})
        assert last.status_code == 409
        assert "stop one first" in page_text(last)


async def save_two(claire: Browser) -> None:
    """Open a shop of one release, and save a search of it twice under other names."""
    await open_catalogue("lyon")
    await seal_week("lyon", weeks_ago=3)
    await make_vetted_partner()
    await claire.sign_in("claire@atelier.example")
    for name in ("One", "Two"):
        assert (await claire.submit("/en/searches", {"query": "search=lyon", "name": name})).status_code == 303


async def test_two_workers_at_once_write_of_a_match_once_and_of_the_next_a_day_later() -> None:
    """The one that found nothing left used to forget that the other had written: the next match came the same day."""
    now = clock.now()
    async with Browser() as claire:
        await save_two(claire)
        await seal_week("lyon", weeks_ago=2)
        with clock.started_at(now + 2 * HOUR):
            assert sum(await asyncio.gather(*(saved.write_alerts() for _ in range(3)))) == 2, "whichever wrote which"
        assert (await kinds_written()).count("search_match") == 2
        written = await fetch(
            "SELECT written_at IS NOT NULL AS is_written, looked_at = written_at AS at_once FROM saved_search"
        )
        assert [tuple(row) for row in written] == [(True, True)] * 2
        await seal_week("lyon", weeks_ago=1)
        for hours, count in ((4, 0), (20, 0), (26, 2), (27, 0)):
            with clock.started_at(now + hours * HOUR):
                assert sum(await asyncio.gather(saved.write_alerts(), saved.write_alerts())) == count, hours
        assert (await kinds_written()).count("search_match") == 4


async def test_a_search_that_is_stopped_while_it_is_looked_at_ends_no_job() -> None:
    now = clock.now()
    async with Browser() as claire:
        await save_two(claire)
        await seal_week("lyon", weeks_ago=2)
        own = await fetch_value("SELECT id FROM saved_search WHERE name = 'One'")
        with clock.started_at(now + 2 * HOUR):
            written, stopped, _ = await asyncio.gather(
                saved.write_alerts(), claire.submit(f"/en/searches/{own}/stop", {}), saved.write_alerts()
            )
        assert written <= 2
        assert stopped.status_code == 303
        assert await fetch_value("SELECT count(*) FROM saved_search") == 1
