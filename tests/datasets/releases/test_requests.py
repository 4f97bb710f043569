"""Builds asked for by stewards and by cadence, and the steward's pages from definition to revocation."""

import asyncio
import datetime as dt
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.signing import verify
from marketplace.datasets.releases import build_requests, rules
from marketplace.datasets.releases.ingestion import ingest_events
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, DAYS_ASKED, END, RESOLUTION, START, ZONES, declare, ingest_crowd, write
from tests.people.builders import PASSWORD, Browser, add_staff, words
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value

COPY_PROGRESS = """
CREATE TABLE progress_seen (number bigint GENERATED ALWAYS AS IDENTITY, step text, share_micro bigint);
CREATE FUNCTION copy_progress() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO progress_seen (step, share_micro) VALUES (NEW.step, NEW.share_micro); RETURN NULL; END $$;
CREATE TRIGGER progress_seen AFTER UPDATE ON build_request FOR EACH ROW EXECUTE FUNCTION copy_progress();
GRANT SELECT, INSERT ON progress_seen TO PUBLIC;
"""
"""All that a request's row says, in order, however short it is there for a reader."""


@pytest.mark.parametrize(
    ("cadence", "now", "period"),
    [
        ("day", "2026-03-01T00:00:00", ("2026-02-28", "2026-03-01")),
        ("week", "2026-11-24T20:00:00", ("2026-11-16", "2026-11-23")),
        ("week", "2026-11-23T00:00:00", ("2026-11-16", "2026-11-23")),
        ("week", "2026-11-22T23:59:59", ("2026-11-09", "2026-11-16")),
        ("month", "2026-01-01T00:00:00", ("2025-12-01", "2026-01-01")),
        ("month", "2026-03-31T12:00:00", ("2026-02-01", "2026-03-01")),
    ],
)
def test_the_latest_period_that_is_over(cadence: str, now: str, period: tuple[str, str]) -> None:
    start, end = rules.latest_period(cadence, dt.datetime.fromisoformat(now).replace(tzinfo=dt.UTC))
    assert (start.isoformat()[:10], end.isoformat()[:10]) == period


async def test_a_build_is_asked_for_once_and_refused_before_it_is_asked() -> None:
    await declare(budget_micro=2_000_000)

    async def ask(start: dt.datetime = START, end: dt.datetime = END, **more: Any) -> uuid.UUID:
        more |= {"request_id": uuid.uuid4(), "by": "Sam", "without_days": True}
        return await build_requests.request_build("lyon", start, end, **more)

    first = await ask()
    assert await asyncio.gather(*(ask() for _ in range(5))) == [first] * 5
    today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
    with pytest.raises(Invalid, match="not over"):
        await ask(today, today + dt.timedelta(days=1))
    with pytest.raises(Invalid):
        await ask(START, START)
    await execute("UPDATE dataset SET spent_micro = budget_micro")
    with pytest.raises(Conflict, match="is spent"):
        await ask(START, START + dt.timedelta(days=1))
    await execute("UPDATE dataset SET spent_micro = 0")
    assert await fetch_value("SELECT count(*) FROM build_request") == 1


async def test_the_job_builds_what_was_asked_and_shows_how_far_it_is(tmp_path: Path) -> None:
    await declare()
    await ingest_crowd(tmp_path)
    request = await build_requests.request_build("lyon", START, END, request_id=uuid.uuid4(), by="Sam")
    await as_owner(COPY_PROGRESS)
    await build_requests.run_requests()
    row = await fetch_one("SELECT * FROM build_request WHERE id = $1", request)
    assert row
    assert (row["ended_at"] is not None, row["share_micro"], row["refusal"]) == (True, 1_000_000, None)
    seen = await fetch("SELECT step, share_micro FROM progress_seen ORDER BY number")
    assert any(word["step"] and 0 < word["share_micro"] < 1_000_000 for word in seen), "a reader saw it on its way"
    shares = [word["share_micro"] for word in seen]
    assert (shares, shares[0], shares[-1]) == (sorted(shares), 0, 1_000_000), "it never goes back"
    release = await fetch_one("SELECT * FROM release")
    assert release
    assert (release["id"], release["state"]) == (row["release"], "assessed"), "a steward publishes"
    with pytest.raises(Invalid, match="both languages"):
        await build_requests.request_build("lyon", START, END, request_id=uuid.uuid4(), by="Sam")
    await build_requests.request_build(
        "lyon", START, END, request_id=uuid.uuid4(), by="Sam", note_fr="Plus tard.", note_en="Later.", publish=True
    )
    await build_requests.run_requests()
    states = await fetch("SELECT revision, state, note_en FROM release ORDER BY revision")
    assert [tuple(state) for state in states] == [(1, "assessed", ""), (2, "sealed", "Later.")]


async def test_what_a_build_refuses_is_read_beside_the_request() -> None:
    await declare()
    await build_requests.request_build("lyon", START, END, request_id=uuid.uuid4(), by="Sam", without_days=True)
    await build_requests.run_requests()
    row = await fetch_one("SELECT * FROM build_request")
    assert row
    assert row["release"] is None
    assert json.loads(row["refusal"])["sentence"]
    assert await fetch_value("SELECT spent_micro FROM dataset") == 0
    assert len(await build_requests.list_requests("lyon")) == 1


@pytest.mark.parametrize("hours", [1, 13])
async def test_a_cadence_asks_once_a_period_that_has_come_and_again_only_after_hours(
    tmp_path: Path, hours: int
) -> None:
    """So many hours after midnight; from noon on, a day that has not come is reported once, and is asked for if it comes."""
    midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + dt.timedelta(days=1)
    with clock.shifted(midnight + dt.timedelta(hours=hours) - clock.now()):
        await declare(grain="day")
        await build_requests.refresh_datasets()
        assert await fetch_value("SELECT count(*) FROM build_request") == 0
        await build_requests.set_cadence("lyon", "day")
        with pytest.raises(Invalid):
            await build_requests.set_cadence("lyon", "hour")
        period = rules.latest_period("day", clock.now())
        for days_before in (1, 0):
            for _ in range(2):
                await build_requests.refresh_datasets()
            seen = await fetch("SELECT refusal, release FROM build_request")
            assert len(seen) == (hours > 12), "its last day's events have not come"
            for row in seen:
                assert json.loads(row["refusal"])["fields"] == {"missing": "1", "first": period[0].date().isoformat()}
            noon = period[0] + dt.timedelta(hours=12) - dt.timedelta(days=days_before)
            files = write(tmp_path / str(days_before), [(1, noon, ZONES[0])], [1])
            await ingest_events(events=files["events"])
        before = len(seen)
        for _ in range(3):
            await build_requests.refresh_datasets()
        row = await fetch_one("SELECT * FROM build_request WHERE ended_at IS NULL")
        assert row
        assert row["publish"]
        assert (row["period_from"], row["period_to"]) == period
        await build_requests.run_requests()  # refused: no table of subscribers has come
        await build_requests.refresh_datasets()
        assert await fetch_value("SELECT count(*) FROM build_request") == before + 1
        await execute("UPDATE build_request SET asked_at = asked_at - interval '7 hours'")
        await build_requests.refresh_datasets()
        assert await fetch_value("SELECT count(*) FROM build_request") == before + 2


@pytest.mark.long
async def test_a_steward_goes_from_definition_to_revocation(tmp_path: Path) -> None:
    await declare()
    await ingest_crowd(tmp_path)
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    await add_staff("ada@partage.example", "Ada", "auditor", PASSWORD)
    form = {
        "code": "lyon-day",
        "purpose": PURPOSE,
        "title_fr": "Jour",
        "title_en": "Day",
        "description_fr": "Qui.",
        "description_en": "Who.",
        "area": "Lyon",
        "zones": "\n".join(ZONES),
        "age_bands": ", ".join(BANDS),
        "h3_resolution": str(RESOLUTION),
        "grain": "day",
        "unit": "release",
        "mechanism": "gaussian",
        "delta_exponent": "9",
        "max_cells": "3",
        "max_events": "2",
        "epsilon": "2",
        "budget": "6,5",
        "editions": "4, 16",
        "parent_resolution": "0",
        "max_zones": "0",
    }
    async with Browser() as sam, Browser() as ada:
        await sam.sign_in("sam@partage.example")
        await ada.sign_in("ada@partage.example")
        words(await sam.get("/en/steward/datasets/new"))
        wrong = await sam.submit("/en/steward/datasets", form | {"epsilon": "much"})
        assert wrong.status_code == 422
        assert "An epsilon is a number" in words(wrong)
        assert "lyon-day" in wrong.text, "what was typed is not lost"
        assert (await ada.submit("/en/steward/datasets", form)).status_code == 403
        for _ in range(2):
            made = await sam.submit("/en/steward/datasets", form)
            assert made.headers["location"] == "/en/steward/datasets/lyon-day"
        row = await fetch_one("SELECT * FROM dataset WHERE code = 'lyon-day'")
        assert row
        assert (row["epsilon_micro"], row["budget_micro"], row["edition_multiples"]) == (
            2_000_000,
            6_500_000,
            [4, 16],
        )
        assert "ε 0" in words(await sam.get("/fr/steward/datasets/lyon-day"))
        nights = form | {"code": "lyon-nights", "product": "stays", "parent_resolution": "0", "max_zones": "0"}
        assert "Only presence" in words(await sam.submit("/en/steward/datasets", nights | {"max_zones": "3"}))
        assert (await sam.submit("/en/steward/datasets", nights)).status_code == 303
        assert await fetch_value("SELECT product FROM dataset WHERE code = 'lyon-nights'") == "stays"
        assert "nuitées" in words(await sam.get("/fr/steward/datasets/lyon-nights"))

        assert (await sam.submit("/en/steward/datasets/lyon-day/cadence", {"cadence": "week"})).status_code == 303
        asked = await sam.submit("/en/steward/datasets/lyon-day/builds", DAYS_ASKED | {"first_day": "soon"})
        assert "A day is written as" in words(asked)
        assert (await sam.submit("/en/steward/datasets/lyon-day/builds", DAYS_ASKED)).status_code == 303
        assert "waiting for a worker" in words(await sam.get("/en/steward/datasets/lyon-day"))
        await build_requests.run_requests()
        release = await fetch_value("SELECT id FROM release")
        path = f"/en/steward/releases/{release}"
        page = words(await sam.get(path))
        assert "Passed the gate" in page
        assert "singling out" in page
        assert "Publish this release" in page
        assert "Publish this release" not in words(await ada.get(path))
        in_french = words(await sam.get(f"/fr/steward/releases/{release}"))
        assert "Avec des chiffres exacts" in in_french
        assert "_" not in in_french.split("Couverture")[0].split("WP216")[1], "a figure's name that has no words"

        signed = (await ada.get(f"{path}/dossier.json")).json()
        document, key = signed["document"].encode(), bytes.fromhex(signed["public_key"])
        assert verify(document, bytes.fromhex(signed["signature"]), key)
        assert not verify(document + b" ", bytes.fromhex(signed["signature"]), key)

        assert (await ada.submit(f"{path}/publish", {})).status_code == 403
        for _ in range(2):
            assert (await sam.submit(f"{path}/publish", {})).status_code == 303
        sealed = await fetch_one("SELECT state, sealed_by FROM release")
        assert sealed
        assert tuple(sealed) == ("sealed", "Sam")
        assert await fetch_value("SELECT count(*) FROM edition") == 2
        silent = await sam.submit(f"{path}/revoke", {"reason_fr": "Une erreur.", "reason_en": " "})
        assert "both languages" in words(silent)
        assert "Une erreur." in silent.text
        assert (
            await sam.submit(f"{path}/revoke", {"reason_fr": "Une erreur.", "reason_en": "A fault."})
        ).status_code == 303
        assert "A fault." in words(await ada.get(path))
