"""Datasets: events that come in, releases that are asked for, built and published, their days, pictures, prices and cards.

A build dies as a process in `tests/datasets/releases/test_kill.py`; here its job does, which a refusal ends at once.
"""

import datetime as dt
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

from marketplace.catalogue.offers.actions import price_now
from marketplace.catalogue.offers.queries import list_priced_offers, list_priced_releases
from marketplace.catalogue.offers.stated import state_sheet
from marketplace.catalogue.sheets.queries import get_version
from marketplace.catalogue.steward.actions import publish_release
from marketplace.core import clock
from marketplace.datasets.releases import actions as datasets
from marketplace.datasets.releases import build_requests
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.releases.queries import cells, get_release
from marketplace.people.identity.actors import Actor
from tests.catalogue.builders import open_catalogue, seal_week, sheet_document
from tests.datasets.builders import END, PERIOD, START, ZONES, crowd, declare, make_subscribers, write
from tests.deaths.story import Story
from tests.people.builders import make_staff
from tests.support.reads import fetch_value
from tests.support.scenes import named

DAY = dt.timedelta(days=1)
PEOPLE = range(1, 301)


async def check_built_once() -> None:
    """Refuse a release too many or too few, and a budget that is not spent once."""
    assert (
        await fetch_value("SELECT count(*) FROM release")
        == await fetch_value("SELECT count(*) FROM privacy_spend")
        == 1
    )
    assert await fetch_value("SELECT spent_micro FROM dataset") == 2_000_000
    assert await fetch_value("SELECT state FROM release") == "assessed"


async def check_noted() -> None:
    """Refuse a release that is sealed without its line in the trail and its fact for the log, or these without it."""
    sealed = await fetch_value("SELECT count(*) FROM release WHERE state = 'sealed'")
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'release_published'") == sealed
    assert await fetch_value("SELECT count(*) FROM log_fact WHERE kind = 'release_sealed'") == sealed


async def build(story: Story) -> None:
    """Ingest a file, ask for a release by its cadence and by hand, build it, and publish another."""
    await declare(edition_multiples=[4, 16], grain="day")
    await make_subscribers(PEOPLE)
    files = write(Path(os.environ["PARTAGE_STATE"]).parent / "inbox", [*crowd(300), *crowd(300, hour=34)], PEOPLE)
    story.set(PARTAGE_EVENTS=files["events"], PARTAGE_SUBSCRIBERS=files["subscribers"])
    await story.work("ingest-events", then=("ingest-events",))
    sam = await make_staff("Sam", "steward")
    asking = partial(build_requests.request_build, "lyon", START, END, request_id=named("1", "build"), by="Sam")
    await story.act(asking, "ask for a release")
    with_noise = ("build_request", "coverage", "release", "files")
    await story.work("build-releases", unlike=with_noise, check=check_built_once)
    release = await fetch_value("SELECT id FROM release")
    await story.act(partial(publish_release, sam, release), "publish", look=check_noted)
    assert (await get_release(release)).state == "sealed"
    await build_requests.set_cadence("lyon", "day")
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    story.be_at(midnight + DAY + dt.timedelta(hours=13))
    await story.work("refresh-datasets")


async def lapse(story: Story) -> None:
    """Have a build lapse that nobody published within a week."""
    await declare()
    await make_subscribers(PEOPLE)
    await ingest_events(**write(Path(os.environ["PARTAGE_STATE"]).parent / "inbox", crowd(300), PEOPLE))
    release = await datasets.build("lyon", **PERIOD, publish=False)
    story.pass_time(8 * DAY)
    await story.work("lapse-builds")
    assert (await get_release(release)).state == "lapsed"


async def said_by(revision: int) -> tuple[set[str], str]:
    """Return the zones in which a release has more than a few people, and the digest of the day's events that it states."""
    release = await fetch_value("SELECT id FROM release WHERE revision = $1", revision)
    (day,) = json.loads((await get_release(release)).inputs)["days"]
    people: dict[str, int] = {}
    for cell in (await cells(release)).to_pylist():
        people[cell["zone"]] = people.get(cell["zone"], 0) + cell["people"]
    return {zone for zone, count in people.items() if count > 20}, day["sha256"]


async def correct(story: Story) -> None:
    """Publish a day, correct it, and build it again: a release is of the day as it was or as it is, as it says."""
    await declare(epsilon_micro=10_000_000, budget_micro=100_000_000)
    await make_subscribers(PEOPLE)
    inbox, notes = Path(os.environ["PARTAGE_STATE"]).parent / "inbox", {"note_fr": "Corrigé.", "note_en": "Corrected."}
    await ingest_events(**write(inbox, crowd(300), PEOPLE))
    await datasets.build("lyon", **PERIOD)
    before = await said_by(1)
    assert before[0] == {ZONES[0]}

    async def correct_and_build() -> None:
        await ingest_events(**write(inbox, crowd(200, zone=ZONES[1]), PEOPLE))
        await datasets.build("lyon", **PERIOD, revision=2, **notes)

    async def check() -> None:
        """Refuse a release that is not of the events that it states."""
        zones, digest = await said_by(2)
        assert (zones == {ZONES[0]}) == (digest == before[1])
        assert zones in ({ZONES[0]}, {ZONES[1]})
        assert await fetch_value("SELECT spent_micro FROM dataset") == 2 * 10_000_000

    with_noise = ("coverage", "release", "files")
    await story.act(correct_and_build, "correct a day", unlike=with_noise, check=check)


async def show(story: Story) -> None:
    """Learn from demand, change its price, and write its card."""
    await open_catalogue()
    await seal_week()
    story.start_hour()
    await story.work("refresh-search")
    later = clock.now() + DAY
    dearer, sam = await sheet_document("lyon", worth_minor=480_000), Actor(name="Sam", role="steward")
    version = named("1", "version")
    await story.act(partial(state_sheet, "sheet-lyon", dearer, sam, version=version, starts_at=later), "state a sheet")
    story.pass_time(2 * DAY)
    story.start_hour()
    await story.work("refresh-demand", "refresh-search")
    [offer] = await list_priced_offers(["lyon"], clock.now())
    assert offer.sha256 == (await get_version("sheet-lyon", clock.now())).sha256
    [release] = await list_priced_releases([await fetch_value("SELECT id FROM release")])
    assert (await price_now(release, now=clock.now())).lots[0].terms.worth_micro == dearer.worth_micro


STORIES: dict[Any, str] = {
    build: "ingest-events, ask for a release, build-releases, publish, refresh-datasets",
    lapse: "lapse-builds",
    correct: "correct a day",
    show: "refresh-search, state a sheet, refresh-demand",
}
