"""A dataset in local time, from its definition to what a partner reads and downloads; and datasets from before."""

import datetime as dt
import json
import uuid
from pathlib import Path

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.local_time import midnight
from marketplace.core.web.formats import read_instant
from marketplace.datasets.releases import actions, build_requests, queries, rules
from marketplace.datasets.releases.ingestion import ingest_events
from tests.catalogue.builders import put_on_sale
from tests.consent.builders import PURPOSE
from tests.datasets.builders import RESOLUTION, ZONES, Event, declare, kept, make_subscribers, write
from tests.people.builders import PASSWORD, Browser, add_staff, words
from tests.support.reads import fetch, fetch_one, fetch_value

PARIS = "Europe/Paris"
RICH = {"epsilon_micro": 10_000_000, "budget_micro": 100_000_000}
JULY = tuple(midnight(dt.date(2026, 7, day), PARIS) for day in (13, 16))
PEOPLE = range(1, 301)


def paris_instant(text: str) -> dt.datetime:
    """Return the instant of a summer's time in Paris."""
    return dt.datetime.fromisoformat(f"{text}+02:00").astimezone(dt.UTC)


def night() -> list[Event]:
    """Return a night of all in one zone, from 23:30 to 07:00, and the breakfast of half of them in another."""
    hours = ("2026-07-14T23:30", "2026-07-15T02:10", "2026-07-15T07:00")
    asleep = [(who, paris_instant(hour), ZONES[1]) for who in PEOPLE for hour in hours]
    breakfast = [(who, paris_instant(f"2026-07-15T06:3{n}"), ZONES[2]) for who in PEOPLE if who % 2 for n in range(5)]
    return asleep + breakfast


@pytest.mark.usefixtures("lavish_year")
async def test_a_stay_of_a_july_night_is_sold_under_its_local_date(tmp_path: Path) -> None:
    await declare(product="stays", grain="day", time_zone=PARIS, unit="day", **RICH)
    await make_subscribers(PEOPLE)
    await ingest_events(**write(tmp_path, night(), PEOPLE))
    release = await actions.build("lyon", period_from=JULY[0], period_to=JULY[1])
    large = [cell for cell in (await queries.cells(release)).to_pylist() if cell["people"] > 50]
    assert [(cell["zone"], cell["starts_at"], cell["segment"]) for cell in large] == [
        (ZONES[1], paris_instant("2026-07-14T00:00"), "visitor")
    ]
    assert abs(large[0]["people"] - len(PEOPLE)) < 20
    about = (await kept(release, "cells")).schema.metadata
    assert about[b"partage.time_zone"] == PARIS.encode()
    row = await queries.get_release(release)
    assert row.expansion_micro == round(row.population * 1_000_000 / row.consenting)
    assert about[b"partage.expansion"].decode() == f"{row.expansion_micro / 1_000_000:.6f}"
    assert about[b"partage.method_version"].decode() == str(row.method_version) == "2"
    assert about[b"partage.revision"] == b"1"
    assert await actions.build("lyon", period_from=JULY[0], period_to=JULY[1]) == release
    with pytest.raises(Invalid, match="whole day, in Europe/Paris"):
        await actions.build("lyon", period_from=JULY[0] + dt.timedelta(hours=2), period_to=JULY[1])


@pytest.mark.long
async def test_the_first_of_january_is_charged_to_the_year_it_begins(tmp_path: Path) -> None:
    """At 23:00 UTC of 31 December a Parisian's new year has begun."""
    await declare(time_zone=PARIS, unit="day", grain="day")
    await make_subscribers(PEOPLE)
    eve, new_year = midnight(dt.date(2025, 12, 31), PARIS), midnight(dt.date(2026, 1, 1), PARIS)
    noon = [(who, new_year + dt.timedelta(hours=12), ZONES[0]) for who in PEOPLE]
    files = write(tmp_path, noon, PEOPLE)
    await actions.build("lyon", period_from=new_year, period_to=new_year + dt.timedelta(days=2), **files)
    await actions.build("lyon", period_from=eve, period_to=new_year + dt.timedelta(days=1), **files)
    spent = await fetch("SELECT year, sum(units)::int AS units FROM privacy_spend GROUP BY year ORDER BY year")
    assert [tuple(row.values()) for row in spent] == [(2025, 1), (2026, 3)]


async def test_a_dataset_from_before_counts_utc_and_keeps_its_releases(tmp_path: Path) -> None:
    """Its row has no time zone of its own: the column's default is what it always meant."""
    await declare()
    assert (await queries.get_dataset("lyon")).time_zone == "UTC"
    default = "SELECT column_default FROM information_schema.columns WHERE (table_name, column_name) = ('dataset', 'time_zone')"
    assert str(await fetch_value(default)).startswith("'UTC'")
    terms = await queries.get_dataset("lyon")
    day = dt.datetime(2026, 3, 29, tzinfo=dt.UTC)
    specification = rules.specify(terms, day, day + dt.timedelta(days=1))
    assert specification.times == 24, "the day that has 23 hours in Paris"
    await make_subscribers(PEOPLE)
    files = write(tmp_path, [(who, day + dt.timedelta(hours=10), ZONES[0]) for who in PEOPLE], PEOPLE)
    release = await actions.build("lyon", period_from=day, period_to=day + dt.timedelta(days=1), **files)
    assert await fetch_value("SELECT specification FROM release WHERE id = $1", release) == specification.digest


@pytest.mark.parametrize(
    ("cadence", "now", "period"),
    [
        ("day", "2026-07-14T21:59:59", ("2026-07-12T22:00", "2026-07-13T22:00")),
        ("day", "2026-07-14T22:00:00", ("2026-07-13T22:00", "2026-07-14T22:00")),
        ("day", "2026-03-29T22:00:00", ("2026-03-28T23:00", "2026-03-29T22:00")),
        ("week", "2026-10-25T23:00:00", ("2026-10-18T22:00", "2026-10-25T23:00")),
        ("month", "2026-03-31T22:00:00", ("2026-02-28T23:00", "2026-03-31T22:00")),
    ],
)
def test_the_latest_period_is_over_when_it_is_over_in_paris(cadence: str, now: str, period: tuple[str, str]) -> None:
    found = rules.latest_period(cadence, dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC), PARIS)
    assert tuple(instant.isoformat()[:16] for instant in found) == period


async def test_a_cadence_waits_for_every_day_of_utc_that_its_local_day_touches(tmp_path: Path) -> None:
    await declare(grain="day", time_zone="America/New_York")
    await declare(code="paris", grain="day", time_zone=PARIS)
    for code in ("lyon", "paris"):
        await build_requests.set_cadence(code, "day")
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=2)
    with clock.shifted(today + dt.timedelta(hours=9) - clock.now()):
        # Yesterday is over in New York and in Paris; in New York it ended today in UTC.
        noons = [(1, today + dt.timedelta(hours=12, days=-days), ZONES[0]) for days in (2, 1)]
        await ingest_events(events=write(tmp_path / "1", noons, [1])["events"])
        await build_requests.refresh_datasets()
        asked = await fetch("SELECT dataset, period_from, period_to FROM build_request")
        day = (today - dt.timedelta(days=1)).date()
        assert [tuple(row.values()) for row in asked] == [
            ("paris", midnight(day, PARIS), midnight(day + dt.timedelta(days=1), PARIS))
        ]
        dawn = [(1, today + dt.timedelta(hours=3), ZONES[0])]
        await ingest_events(events=write(tmp_path / "2", dawn, [1])["events"])
        await build_requests.refresh_datasets()
        there = await fetch_one("SELECT period_from, period_to FROM build_request WHERE dataset = 'lyon'")
        assert there
        assert tuple(there.values()) == tuple(midnight(day + dt.timedelta(days=n), "America/New_York") for n in (0, 1))


async def test_a_steward_declares_a_time_zone_and_asks_for_local_days() -> None:
    await declare()
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    form = {
        "code": "lyon-nights",
        "purpose": PURPOSE,
        "title_fr": "Nuits",
        "title_en": "Nights",
        "description_fr": "Qui dort où.",
        "description_en": "Who sleeps where.",
        "area": "Lyon",
        "zones": "\n".join(ZONES),
        "age_bands": "18-39, 40+",
        "h3_resolution": str(RESOLUTION),
        "grain": "day",
        "unit": "day",
        "mechanism": "laplace",
        "max_cells": "1",
        "max_events": "2",
        "epsilon": "1",
        "budget": "20",
        "product": "stays",
        "time_zone": PARIS,
    }
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        assert f'value="{PARIS}"' in (await sam.get("/en/steward/datasets/new")).text
        assert "Fuseau horaire" in words(await sam.get("/fr/steward/datasets/new"))
        wrong = await sam.submit("/en/steward/datasets", form | {"time_zone": "Lyon"})
        assert "such as Europe/Paris" in words(wrong)
        assert (await sam.submit("/en/steward/datasets", form)).status_code == 303
        page = "steward/datasets/lyon-nights"
        assert "local time of Europe/Paris" in words(await sam.get(f"/en/{page}"))
        assert "heure locale (Europe/Paris)" in words(await sam.get(f"/fr/{page}"))
        days = {"first_day": "2026-07-13", "last_day": "2026-07-15", "without_days": "yes"}
        with clock.shifted(JULY[1] + dt.timedelta(hours=1) - clock.now()):
            assert (await sam.submit(f"/en/{page}/builds", days)).status_code == 303
        asked = await fetch_one("SELECT period_from, period_to FROM build_request")
        assert asked
        assert tuple(asked.values()) == JULY
        assert "13 Jul 2026 – 15 Jul 2026" in words(await sam.get(f"/en/{page}"))


@pytest.mark.usefixtures("lavish_year")
async def test_a_partner_reads_whose_days_they_are(tmp_path: Path) -> None:
    await declare(product="stays", grain="day", time_zone=PARIS, **RICH)
    await make_subscribers(PEOPLE)
    release = await actions.build("lyon", period_from=JULY[0], period_to=JULY[1], **write(tmp_path, night(), PEOPLE))
    await catalogue.define_terms("t", months=12, lines_fr="a\nb\nc\nd\ne", lines_en="v\nw\nx\ny\nz")
    await put_on_sale("lyon", terms="t", worth_minor=240_000, least_minor=15_000)
    async with Browser() as visitor:
        english = words(await visitor.get("/en/datasets/lyon"))
        assert "13 Jul 2026 – 15 Jul 2026" in english
        assert "the night begins on, local time of Europe/Paris" in english
        assert "Written as an instant in UTC." in english
        french = words(await visitor.get("/fr/datasets/lyon"))
        assert "13 juil. 2026 – 15 juil. 2026" in french
        assert "heure locale (Europe/Paris)" in french
        assert "13 juil. 2026 – 15 juil. 2026" in words(await visitor.get("/fr/catalogue"))
        listed = (await visitor.get("/api/v1/datasets")).json()["datasets"]
        assert [row["time_zone"] for row in listed] == [PARIS]
    assert uuid.UUID(str(release))
    document = json.loads((await queries.get_dossier(release)).document)
    assert document["period"] == [instant.isoformat() for instant in JULY]


def test_an_instant_is_typed_by_the_local_clock() -> None:
    assert read_instant("2026-07-01T12:00", "Europe/Paris") == dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC)
    assert read_instant("2026-07-01T12:00") == dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)
    with pytest.raises(Invalid, match="a day and an hour"):
        read_instant("noon", "Europe/Paris")
