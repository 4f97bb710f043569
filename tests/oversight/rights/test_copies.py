"""The copy of all that is held about one person: theirs and nobody else's, by the schema, with every table."""

import asyncio
import csv
import datetime as dt
import io
import json
import threading
import time
import tracemalloc
import uuid
from pathlib import Path

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.personal_data import EVERYBODY, Erasure, PersonalData
from marketplace.core.settings import settings
from marketplace.oversight.rights import copies
from marketplace.oversight.rights.copies import OPENERS, write_copy
from marketplace.oversight.rights.copy_schema import LISTS
from marketplace.oversight.rights.declarations import copied_tables, declared, list_tables, name_of
from marketplace.oversight.rights.erasing import erase
from marketplace.people.identity import actions as identity
from marketplace.people.identity import credentials
from marketplace.subscribers.earnings.actions import hold_shares
from migrations.schema import tables
from tests.oversight.builders import EMAIL, IBAN, LINE, NAME, open_copy, somebody
from tests.people.builders import PASSWORD, make_partner
from tests.subscribers.builders import sales
from tests.support.reads import fetch_value

MOST_THREADS = 32
"""Of asyncio: with so many at work, any other waits."""


async def test_a_copy_has_everything_of_the_person_and_nothing_of_others() -> None:
    async with somebody() as zoe:
        answer = await zoe.browser.submit("/en/profile/data", {}, seen_at="/en/profile/data")
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        lists, whole = open_copy(answer.content)
        assert lists["person"][0] | {"email": EMAIL, "name": NAME} == lists["person"][0]
        assert [(row["holder"], row["iban"]) for row in lists["bank_details"]] == [(NAME, IBAN)]
        assert [row["subscriber"] for row in lists["closed_share"]] == [LINE]
        [share] = lists["shares"]
        assert share["share_micro"] == await fetch_value("SELECT payable_micro FROM closed_share WHERE subscriber = 1")
        assert [use["licences"] for use in lists["uses"]] == [1]
        assert [json.loads(row["document"])["purpose"] for row in lists["receipts"]] == ["presence.statistics"]
        assert lists["session"][0]["device"] == "Netscape Navigator on OS/2"
        assert {row["subject"] for row in lists["message"]} == {
            "Vos coordonnées bancaires ont changé",
            "Connexion avec un nouvel appareil",
        } & {row["subject"] for row in lists["message"]}
        assert [row["text"] for row in lists["question"]] == [f"I am {NAME}."]
        assert len(lists["authenticator"]) == 1
        for name, rows in lists.items():
            table = list(csv.reader(io.StringIO(whole.read(f"csv/{name}.csv").decode("utf-8-sig"))))
            assert len(table) == len(rows) + 1, name
        text = json.dumps(lists)
        assert "password_hash" not in text
        assert "argon2" not in text
        assert await fetch_value("SELECT count(*) FROM message WHERE kind = 'data_copied'") == 1
        assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'own_data_copied'") == 1
        await erase(zoe.id)
        [(_, code)] = await identity.issue_activation_codes([LINE])
        heir = await identity.claim_line(LINE, code, email="an@heir.example", name="Ann", password=PASSWORD)
        with await write_copy(heir) as file:
            lists, _ = open_copy(file.read())
        [share] = lists["shares"]
        assert (share["share_micro"] > 0, share["licence"], share["release"]) == (True, None, None), (
            "money, and no place"
        )
        assert lists["uses"] == [], "where it was before is its former holder's"


async def test_a_copy_is_asked_for_with_the_password_again() -> None:
    async with somebody() as zoe:
        with clock.shifted(dt.timedelta(minutes=11)):
            answer = await zoe.browser.submit("/en/profile/data", {}, seen_at="/en/profile/data")
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/en/confirm")


async def test_who_gives_somebody_elses_address_does_not_read_their_invitations(pool: None) -> None:  # noqa: ARG001 (a database)
    inviting = await make_partner("Atelier", "claire@atelier.example")
    claire = await fetch_value("SELECT id FROM person")
    await identity.invite_colleague(
        inviting, email="victim@elsewhere.example", name="Victor", invitation_id=uuid.uuid4(), by=claire
    )
    await make_partner("Mask", "victim@elsewhere.example")
    mask = await fetch_value("SELECT id FROM person WHERE id <> $1", claire)
    for confirmed, invitations in ((False, 0), (True, 1)):
        if confirmed:
            await credentials.confirm_email(mask)
        with await write_copy(mask) as file:
            assert len(open_copy(file.read())[0]["invitation"]) == invitations


def working_folders() -> list[Path]:
    return list(settings().state.glob("work-*"))


async def test_who_waits_no_longer_leaves_the_place_and_the_folder_to_the_threads(
    pool: None,  # noqa: ARG001 (a database)
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await make_partner()
    person = await fetch_value("SELECT id FROM person")
    place, gate = asyncio.Semaphore(1), threading.Event()
    monkeypatch.setattr(copies, "_writing", place)
    at_work = [asyncio.create_task(asyncio.to_thread(gate.wait)) for _ in range(MOST_THREADS)]
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await write_copy(person)
        assert place.locked()
        assert working_folders()
    finally:
        gate.set()
        await asyncio.gather(*at_work)
    async with asyncio.timeout(20), place:
        assert not working_folders()


def test_a_new_table_is_in_the_copy_by_being_there() -> None:
    assert {name_of(table) for table in list_tables()} == {table._meta.tablename for table in tables()}
    for table in copied_tables():
        sealed = [column for column in table._meta.columns if column._meta.name == "sealed"]
        if declared(table).opened:
            assert sealed or name_of(table) in OPENERS
    assert not {name_of(table) for table in copied_tables()} & LISTS.keys()
    with pytest.raises(AssertionError, match="how a person's rows are found"):
        PersonalData(EVERYBODY, "for good", exported=True, erasure=Erasure.KEPT)


@pytest.mark.deep
async def test_ten_years_are_ready_within_a_minute_in_little_memory() -> None:
    """Ten years of somebody who changes their mind weekly, gets two messages a day, and earns something monthly."""
    async with somebody() as zoe:
        for year in range(10):
            release = await sales.seal_weights({LINE: 1, 2: 1}, started_at=clock.now() - (year + 1) * 12 * sales.MONTH)
            for _ in range(12):
                await sales.write_sale(release, 100, fee=0)
        await hold_shares()
        await execute(
            """INSERT INTO consent_record (subscriber, purpose, notice, given, at, receipt, channel)
               SELECT 1, 'presence.statistics', (SELECT id FROM notice), week % 2 = 0, now() - week * interval '10 hours',
                      gen_random_uuid(), 'app' FROM generate_series(1, 520) AS week"""
        )
        await execute(
            """INSERT INTO message (id, kind, source_id, audience, recipient, details, created_at)
               SELECT gen_random_uuid(), 'new_device', day::text, 'person', $1, '{"at": "2026-01-01T12:00:00+00:00"}',
                      now() - day * interval '12 hours' FROM generate_series(1, 7300) AS day""",
            str(zoe.id),
        )
        tracemalloc.start()
        began = time.perf_counter()
        with await write_copy(zoe.id) as file:
            seconds, (_, most) = time.perf_counter() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
            lists, _ = open_copy(file.read())
        assert len(lists["message"]) > 7_300
        assert len(lists["receipts"]) > 520
        assert [len(lists["shares"]), len({share["licence"] for share in lists["shares"]})] == [121, 121]
        assert sum(share["posted_minor"] for share in lists["shares"]) == 120 * 100 + 20_000
        assert sorted(use["licences"] for use in lists["uses"]) == [1, *[12] * 10]
        assert seconds < 60
        assert most < 32 << 20
