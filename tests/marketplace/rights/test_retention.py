"""How long what is kept: each table declares it, one job enforces it, one screen shows it."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from marketplace import clock
from marketplace.database import execute
from marketplace.identity import actions as identity
from marketplace.jobs.timetable import jobs
from marketplace.personal_data import EVERYBODY, Erasure, Of, PersonalData
from marketplace.rights.activities import ACTIVITIES
from marketplace.rights.declared import declared, list_tables, name_of
from marketplace.rights.retention import count_overdue, enforce_retention
from marketplace.web.i18n import gettext, language
from tests.marketplace.identity.site import PASSWORD, Browser, make_partner
from tests.marketplace.rights.people import somebody
from tests.support.reads import fetch, fetch_value


async def overdue() -> dict[str, int]:
    """Return the tables with rows that should be gone, and how many."""
    counted = {name_of(table): await count_overdue(table, clock.now()) for table in list_tables()}
    return {name: count for name, count in counted.items() if count}


async def test_one_job_deletes_what_is_over() -> None:
    async with somebody() as zoe:
        partner = await make_partner()
        await identity.invite_colleague(
            partner, email="nadia@atelier.example", name="Nadia", invitation_id=uuid.uuid4()
        )
        await zoe.browser.sign_in("nobody@atelier.example")
        await zoe.browser.submit("/en/reset", {"email": "claire@atelier.example"})
        await execute(
            "INSERT INTO passkey_challenge (session_hash, person, challenge, created_at) VALUES ('s', $1, 'x', $2)",
            zoe.id,
            clock.now(),
        )
        await execute("UPDATE bank_details SET ended_at = $1", clock.now())
        with clock.shifted(dt.timedelta(days=2)):
            assert set(await overdue()) == {"passkey_challenge", "reset_link", "sign_in_attempt"}
            await enforce_retention()
            assert await overdue() == {}
            assert await fetch_value("SELECT count(*) FROM question") == 2, "their time is not over"
        with clock.shifted(dt.timedelta(days=398)):
            assert set(await overdue()) == {"session", "invitation", "letter", "question", "bank_details"}
            await enforce_retention()
            assert await overdue() == {}
        assert await fetch_value("SELECT count(*) FROM consent_record WHERE subscriber = 1") == 1, (
            "for good is for good"
        )
        assert [row["last_four"] for row in await fetch("SELECT last_four FROM bank_details")] != ["0000"]
    assert jobs()["enforce-retention"][1] is enforce_retention


def test_every_kind_of_data_is_for_an_activity_and_says_in_french_how_long() -> None:
    named = [slice_ for activity in ACTIVITIES for slice_ in activity.slices]
    assert len(named) == len(set(named))
    personal = {table.__module__.split(".")[1] for table in list_tables() if declared(table).of}
    assert personal == set(named)
    token = language.set("fr")
    try:
        texts = [declared(table).kept for table in list_tables()]
        texts += [one.value for one in (*Of, *Erasure)]
        assert [text for text in dict.fromkeys(texts) if gettext(text) == text] == []
    finally:
        language.reset(token)
    with pytest.raises(AssertionError, match="says when it ends"):
        PersonalData(EVERYBODY, "3 days", exported=False, erasure=Erasure.EXPIRES)


async def test_steward_and_auditor_see_it() -> None:
    for role in ("steward", "auditor"):
        await identity.add_staff(f"{role}@partage.example", role.title(), role, PASSWORD)
        async with Browser() as browser:
            await browser.sign_in(f"{role}@partage.example")
            page = await browser.get("/fr/staff/retention")
            assert page.status_code == 200
            assert "13 mois" in page.text
