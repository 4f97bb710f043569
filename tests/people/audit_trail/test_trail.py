"""The audit trail: every access and every staff request is in it, nothing in it changes, and its file proves that."""

import asyncio
import datetime as dt
import json
import re
import uuid
from pathlib import Path

import asyncpg
import pytest
from litestar import get, post
from litestar.params import FromPath

from marketplace.commands.registry import COMMANDS
from marketplace.consent.purposes import actions as consent
from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.core.signing import public_key, sign
from marketplace.finance.bookkeeping.trail import TrailLine, list_actions, shown_at
from marketplace.people.audit_trail.actions import note_access, note_action
from marketplace.people.audit_trail.chain import export_trail, link_actions
from marketplace.people.audit_trail.copying import compare_copy, copy_trail
from marketplace.people.audit_trail.guards import note_lost_requests
from marketplace.people.audit_trail.rules import FIRST, Verdict, canonical, check, hash_of
from marketplace.people.identity import actions, key_actions, staff
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.guards import COOKIE, begin_session, expect
from marketplace.people.identity.rules import WrongSecret
from marketplace.people.messages.links import link_token
from marketplace.people.sign_in import factor_actions as factors
from marketplace.people.sign_in import recovery_actions as recovery
from marketplace.people.sign_in.recovery_actions import request_reset
from marketplace.site.app import create_app
from tests.people.builders import PASSWORD, Browser, browser_of, make_partner, make_staff, page_text
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.routes import (
    KINDS,
    NAMES,
    OUR_ROUTES,
    expectation_of,
    path_with_ids,
    sign_in_everyone,
    status_of_route,
)
from tests.support.waiting import until_blocked

STAFF = ("steward", "finance", "auditor")


async def exported() -> list[str]:
    return [line async for line in export_trail(settings().signing_key)]


def refuse_trail(lines: list[str]) -> Verdict:
    """Check a file, which must be refused."""
    verdict = check(lines)
    assert verdict.fault
    return verdict


# The chain ------------------------------------------------------------------------------------------------------------


async def test_a_file_of_the_trail_shows_each_change_to_it() -> None:
    ada = await make_staff("Ada")
    for number in range(5):
        await note_action(ada, "thing_done", f"thing {number}", reason="Voilà.", after={"n": 2**70, "amount": 1.10})
    lines = await exported()
    assert check(lines) == Verdict(5, json.loads(lines[4])["hash"], "", json.loads(lines[5])["key"])
    assert json.loads(lines[0])["previous"] == FIRST
    changed = lines[2].replace("thing 2", "thing 9")
    assert refuse_trail([*lines[:2], changed, *lines[3:]]) == Verdict(
        2, json.loads(lines[1])["hash"], "Line 3 does not follow from those before it, or was changed."
    )
    document = json.loads(changed)
    hashed_again = json.dumps(document | {"hash": hash_of(document)})
    assert refuse_trail([*lines[:2], hashed_again, *lines[3:]]).lines == 3, "the next line does not follow from it"
    assert refuse_trail([*lines[:2], *lines[3:]]).fault == "Line 3 has the number 4, not 3."
    assert refuse_trail([lines[1], lines[0], *lines[2:]]).lines == 0
    assert "cut short" in refuse_trail(lines[:4]).fault
    assert "speaks of 5 lines" in refuse_trail([*lines[:4], lines[5]]).fault
    assert "follows the end" in refuse_trail([*lines, lines[0]]).fault
    assert "not a JSON object" in refuse_trail(["[]"]).fault
    assert "cut short" in refuse_trail([]).fault


async def test_who_rewrites_the_whole_file_cannot_sign_its_end() -> None:
    await note_action(None, "thing_done", "thing 1")
    line, end = map(json.loads, await exported())
    line["subject"] = "thing 2"
    line["hash"] = hash_of(line)
    forged = {**end, "head": line["hash"]}
    assert "not the operator's" in refuse_trail([json.dumps(line), json.dumps(forged)]).fault
    own = {name: value for name, value in forged.items() if name != "signature"}
    signed = own | {"signature": sign(canonical(own), "1" * 64).hex()}
    assert "not the operator's" in refuse_trail([json.dumps(line), json.dumps(signed)]).fault
    assert "not signed" in refuse_trail([json.dumps(line), json.dumps({**own, "signature": "x"})]).fault


async def test_a_hostile_line_ends_the_check_with_a_sentence() -> None:
    await note_action(None, "thing_done", "thing 1")
    line, end = await exported()
    twice = line.replace('"verb": ', '"verb": "thing_undone", "verb": ')
    nested = line.replace('"after": {}', '"after": {"n": 1, "n": 2}')
    for text in (twice, nested, "[" * 100_000, line.replace("thing 1", "\\ud800"), '{"number": 1e999}' + "1" * 5000):
        assert text != line
        assert refuse_trail([text, end]) == Verdict(0, FIRST, "Line 1 is not a JSON object.")
    assert "not a JSON object" in refuse_trail([line, end.replace('"lines": 1', '"lines": 9, "lines": 1')]).fault


async def test_what_commits_late_is_linked_too_and_numbers_have_no_gap(database_url: str) -> None:
    late = await asyncpg.connect(database_url)
    writing = late.transaction()
    await writing.start()
    insert = (
        "INSERT INTO staff_action (at, verb, subject, reason, before, after) VALUES (now(), $1, 's', '', '{}', '{}')"
    )
    await late.execute(insert, "late_done")
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            await note_action(None, "never_done", "x")
            _ = 1 // 0
    await note_action(None, "early_done", "x")
    assert await link_actions() == 1, "nobody waits for a transaction that is open"
    await writing.commit()
    await late.close()
    assert await link_actions() == 1
    verbs = [json.loads(line)["verb"] for line in (await exported())[:-1]]
    assert verbs == ["early_done", "late_done"]


async def test_two_workers_and_one_that_is_killed_leave_one_whole_chain(database_url: str) -> None:
    for number in range(50):
        await note_action(None, "thing_done", number)
    killed = await asyncpg.connect(database_url)
    writing = killed.transaction()
    await writing.start()
    await killed.execute("SELECT pg_advisory_xact_lock(hashtextextended('trail chain', 0))")
    await killed.execute("DELETE FROM unlinked_action WHERE action IN (SELECT action FROM unlinked_action LIMIT 20)")
    await killed.execute(
        "INSERT INTO trail_link (number, action, hash) SELECT 1, min(id), $1 FROM staff_action", "0" * 64
    )
    workers = [asyncio.create_task(link_actions()) for _ in range(2)]
    await until_blocked(2)
    assert not any(worker.done() for worker in workers), "one links at a time"
    killed.terminate()
    assert sum(await asyncio.gather(*workers)) == 50
    assert check(await exported()).lines == 50
    assert await fetch_value("SELECT count(*) FROM unlinked_action") == 0


async def test_the_serving_role_can_neither_change_nor_remove_a_line() -> None:
    await note_action(None, "thing_done", "thing 1")
    assert await link_actions() == 1
    for change in (
        "UPDATE staff_action SET subject = ''",
        "DELETE FROM staff_action",
        "TRUNCATE staff_action CASCADE",
        "UPDATE trail_link SET hash = ''",
        "DELETE FROM trail_link",
        "ALTER TABLE staff_action DISABLE TRIGGER append_only",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await execute(change)


async def test_the_owner_is_refused_too_and_what_a_superuser_changes_is_seen() -> None:
    await note_action(None, "thing_done", "thing 1")
    await note_action(None, "thing_done", "thing 2")
    await link_actions()
    for change in ("UPDATE trail_link SET number = 3", "DELETE FROM trail_link", "DELETE FROM staff_action"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(change)
    await as_owner("ALTER TABLE staff_action DISABLE TRIGGER append_only")
    await as_owner("UPDATE staff_action SET subject = 'thing 9' WHERE subject = 'thing 1'")
    await as_owner("ALTER TABLE staff_action ENABLE TRIGGER append_only")
    assert refuse_trail(await exported()).lines == 0


@pytest.mark.usefixtures("database_url")
def test_the_command_exports_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = next(one for one in COMMANDS if one.name == "security-log")
    out = tmp_path / "trail.jsonl"

    def run(*words: str) -> int:
        from marketplace.__main__ import parser  # noqa: PLC0415 (as the command line does)

        return command.run(parser().parse_args(["security-log", *words]))

    assert run("export", str(out)) == 0
    assert "0 lines, none changed" in capsys.readouterr().out
    assert out.stat().st_mode & 0o077 == 0
    assert run("verify", str(out)) == 0
    assert run("verify", str(out), "--key", public_key(settings().signing_key).hex()) == 0
    assert run("verify", str(out), "--key", public_key("ab" * 32).hex()) == 1, "signed anew by somebody else"
    assert "which is not" in capsys.readouterr().err
    out.write_text("{}\n" + out.read_text())
    assert run("verify", str(out)) == 1
    assert "has the number None" in capsys.readouterr().err


async def test_the_trail_is_copied_apart_as_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await note_action(None, "thing_done", 0)
    await link_actions()
    assert await copy_trail() == 1, "into the object store, where no place is named"
    monkeypatch.setenv("PARTAGE_TRAIL_COPY", str(tmp_path / "copy"))
    settings.cache_clear()
    for number in range(1, 4):
        await note_action(None, "thing_done", number)
        await link_actions()
        assert await copy_trail() == (2 if number == 1 else 1)
        assert await copy_trail() == 0
    copied = "".join(path.read_text() for path in sorted((tmp_path / "copy").iterdir()))
    whole = await exported()
    assert copied.splitlines() == whole[:-1], "with the signed end, it is a file that verifies"
    (tmp_path / "full").write_text("")
    monkeypatch.setenv("PARTAGE_TRAIL_COPY", str(tmp_path / "full"))
    settings.cache_clear()
    with pytest.raises(Conflict, match="PARTAGE_TRAIL_COPY"):
        await copy_trail()


async def test_the_databases_owner_who_rewrites_a_line_and_all_links_is_noticed() -> None:
    for number in range(3):
        await note_action(None, "thing_done", f"thing {number}")
    await link_actions()
    await copy_trail()
    assert await compare_copy() == 3
    for table in ("staff_action", "trail_link"):
        await as_owner(f"ALTER TABLE {table} DISABLE TRIGGER append_only")
    try:
        await as_owner("UPDATE staff_action SET subject = 'thing 9' WHERE subject = 'thing 1'")
        await as_owner("DELETE FROM trail_link")
        await as_owner("INSERT INTO unlinked_action (action) SELECT id FROM staff_action")
        await link_actions()
        assert check(await exported()).fault == "", "the chain alone convicts nobody"
    finally:
        for table in ("staff_action", "trail_link"):
            await as_owner(f"ALTER TABLE {table} ENABLE TRIGGER append_only")
    with pytest.raises(Conflict, match="Line 2 of the audit trail was changed or removed"):
        await compare_copy()


# What is in it --------------------------------------------------------------------------------------------------------


async def accesses() -> list[tuple[str, uuid.UUID | None]]:
    rows = await fetch("SELECT verb, person FROM staff_action WHERE area = 'access' ORDER BY id")
    return [(row["verb"], row["person"]) for row in rows]


async def test_coming_in_failing_and_each_change_of_access_is_noted_without_an_address() -> None:
    partner = await make_partner()
    async with Browser() as browser:
        await browser.sign_in("claire@atelier.example")
        await browser.sign_in("claire@atelier.example", "quite another sentence")
        await browser.sign_in("nobody@nowhere.example", "quite another sentence")
        await browser.submit("/en/sign-out", {})
    person = await fetch_value("SELECT id FROM person")
    assert await accesses() == [
        ("person_added", person),
        ("signed_in", person),
        ("secret_refused", person),
        ("secret_refused", None),
        ("signed_out", person),
    ]
    me = Actor(name="Claire", person=person, partner=partner)
    key = uuid.uuid4()
    await key_actions.create_key(partner, "robot", key_id=key, session="s", owner=person)
    await key_actions.create_key(partner, "robot", key_id=key, session="s", owner=person)
    await key_actions.revoke_key(partner, key, by=me)
    await key_actions.revoke_key(partner, key, by=me)
    await factors.start_authenticator(person)
    with pytest.raises(WrongSecret):
        await factors.confirm_authenticator(person, "000000x")
    await recovery.change_password(person, PASSWORD, "quite another sentence")
    await actions.erase_person(person)
    assert [verb for verb, _ in (await accesses())[5:]] == [
        "key_made",
        "key_revoked",
        "secret_refused",
        "password_changed",
        "person_erased",
    ]
    written = "".join(await exported())
    assert not re.search(r"@|Claire|127\.0\.0\.1|testserver|sentence", written)
    assert check(written.replace("}{", "}\n{").splitlines()).lines == 10


async def test_who_vetted_and_who_refused_both_stay() -> None:
    partner, sam, eve = await make_partner(), await make_staff("Sam", "steward"), await make_staff("Eve", "steward")
    assert sam.person
    await actions.vet_partner(partner, sam.person)
    await actions.vet_partner(partner, sam.person)
    await actions.refuse_partner(partner, "No such company.", eve.person)
    rows = (await list_actions(subject=str(partner))).rows
    assert [(row.verb, row.name, row.reason) for row in rows] == [
        ("partner_refused", "Eve", "No such company."),
        ("partner_vetted", "Sam", ""),
    ]
    async with await browser_of((await make_staff("Paul", "auditor")).person) as auditor:
        shown = page_text(await auditor.get(f"/en/partners/{partner}"))
        assert re.search(r"Refused Eve No such company\..*Vetted Sam", shown)
        assert "Vet this company" not in shown


async def test_consent_on_somebodys_behalf_is_noted_and_their_own_is_not() -> None:
    await actions.add_subscribers([7])
    purpose = await consent.define_purpose("presence", "statistics", title_fr="x", title_en="x")
    await consent.publish_notice(purpose, text_fr="x", text_en="x")
    await consent.give(7, purpose)
    receipt = await consent.withdraw(7, purpose, channel="shop")
    await consent.withdraw(7, purpose, channel="shop", receipt=receipt)
    [row] = await fetch("SELECT subject, after FROM staff_action WHERE verb = 'consent_recorded'")
    assert row["subject"] == str(receipt)
    assert json.loads(row["after"]) == {"purpose": purpose, "given": False, "channel": "shop"}


async def test_staff_come_and_go_in_the_trail() -> None:
    await staff.invite_staff("sam@operator.example", "Sam", "steward")
    await staff.end_staff("sam@operator.example")
    assert [verb for verb, _ in await accesses()] == ["invite_staff", "invitation_ended"]


# Staff's requests, by construction ------------------------------------------------------------------------------------

WRITING = [
    (handler, path, name, role)
    for (handler, path), name in zip(OUR_ROUTES, NAMES, strict=True)
    for role in STAFF
    if handler.http_methods & {"POST", "PUT", "DELETE", "PATCH"} and expectation_of(handler).who & KINDS[role]
]


@pytest.mark.long
async def test_every_staff_route_that_writes_leaves_a_line() -> None:
    visitors = await sign_in_everyone()
    assert len(WRITING) > 60
    silent = []
    for handler, path, name, role in sorted(WRITING, key=lambda one: one[1] == "/sign-out"):
        before = await fetch_value("SELECT coalesce(max(id), 0) FROM staff_action")
        await status_of_route(visitors[role], handler, path_with_ids(path))
        route = re.sub(r":\w+}", "}", name)
        wanted = (
            "SELECT count(*) FROM staff_action WHERE id > $1 AND area = 'request' "
            "AND person IS NOT NULL AND after ->> 'route' = $2"
        )
        if await fetch_value(wanted, before, route) != 1:
            silent.append(f"{name} as {role}")
    assert not silent, "\n".join(silent)


async def test_staff_who_fetch_a_file_or_are_refused_leave_a_line_and_readers_none() -> None:
    nora = await make_staff("Nora", "steward")
    async with await browser_of(nora.person) as steward:
        await steward.get("/en/start")
        assert (await steward.get("/en/finance")).status_code == 403
    [row] = (await list_actions(area="request")).rows
    assert (row.person, row.became) == (nora.person, {"route": "GET /finance", "status": 403})


async def test_the_secret_of_a_link_is_not_in_the_trail() -> None:
    """A link that was not used up by the request that has it would let the auditor do what it lets its owner."""
    nora = await make_staff("Nora", "steward")
    async with await browser_of(nora.person) as steward:
        await request_reset(f"{nora.person}@staff.example")
        link = await fetch_value("SELECT id FROM reset_link")
        secret = f"{link}.{link_token('password_reset', str(link))}"
        assert (await steward.submit(f"/en/reset/{secret}", {"password": "short"})).status_code == 422
        await steward.submit("/en/join/an-invitation", {"password": PASSWORD, "form_id": str(uuid.uuid4())})
    rows = (await list_actions(area="request")).rows
    assert [(row.became["route"], row.subject) for row in rows] == [
        ("POST /join/{code}", ""),
        ("POST /reset/{link}", ""),
    ]


@get("/finance/too-long")
async def _read_too_long() -> None:
    await asyncio.Event().wait()


@post("/finance/too-long/{order_id:uuid}", opt=expect("finance", stranger=200))
async def _too_long(order_id: FromPath[uuid.UUID]) -> None:
    await note_action(None, "thing_done", order_id)
    await asyncio.Event().wait()


@pytest.mark.long
async def test_what_staff_asked_is_noted_where_the_deadline_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARTAGE_REQUEST_SECONDS", "1")
    settings.cache_clear()
    nora, order = await make_staff("Nora"), uuid.uuid4()
    app = create_app(manages_pool=False, further_routes=[_too_long, _read_too_long])
    async with Browser(app) as finance:
        finance.client.cookies.set(COOKIE, (await begin_session(nora.person)).value or "")
        assert (await finance.get("/en/finance/too-long")).status_code == 503
        assert (await finance.submit(f"/en/finance/too-long/{order}", {})).status_code == 503
    [row] = (await list_actions(area="request")).rows
    assert (row.person, row.subject, row.became["status"]) == (nora.person, str(order), 503)


@post("/finance/killed/{order_id:uuid}", opt=expect("finance", stranger=200))
async def _killed(order_id: FromPath[uuid.UUID]) -> None:
    await note_action(None, "thing_done", order_id)
    await as_owner("REVOKE INSERT ON staff_action FROM partage_serving")  # to its line as if it were killed here


async def test_what_was_done_just_before_a_kill_is_noted_by_a_job() -> None:
    nora, order = await make_staff("Nora"), uuid.uuid4()
    async with Browser(create_app(manages_pool=False, further_routes=[_killed])) as finance:
        finance.client.cookies.set(COOKIE, (await begin_session(nora.person)).value or "")
        assert (await finance.submit(f"/en/finance/killed/{order}", {})).status_code == 503
        await as_owner("GRANT INSERT ON staff_action TO partage_serving")
    assert await fetch_value("SELECT count(*) FROM staff_action WHERE verb = 'thing_done'") == 1
    assert await note_lost_requests() == 0, "it may be answered yet"
    with clock.shifted(dt.timedelta(hours=2)):
        assert [await note_lost_requests() for _ in range(2)] == [1, 0]
    row = (await list_actions(area="request")).rows[0]
    assert (row.person, row.subject, row.became["route"]) == (
        nora.person,
        str(order),
        "POST /finance/killed/{order_id}",
    )
    assert row.became["status"] is None, "nobody knows what became of it"
    assert await fetch_value("SELECT count(*) FROM staff_request") == 0


# Reading it -----------------------------------------------------------------------------------------------------------


async def test_the_auditor_searches_pages_through_and_follows_links() -> None:
    ada, paul = await make_staff("Ada"), await make_staff("Paul", "auditor")
    run = uuid.uuid4()
    for number in range(60):
        await note_action(ada, "thing_done", f"thing {number}")
    await note_action(ada, "approve_payout_run", run, reason="checked")
    await note_access(ada, "key_made", uuid.uuid4())
    async with await browser_of(paul.person) as auditor, await browser_of(ada.person) as finance:
        seen: list[str] = []
        path: str | None = "/en/finance/audit"
        while path:
            shown = await auditor.get(path)
            assert shown.status_code == 200
            seen += re.findall(r">(thing \d+)<", shown.text)
            older = re.search(r'href="([^"]*before=\d+[^"]*)" rel="next"', shown.text)
            path = older[1].replace("&amp;", "&") if older else None
        assert seen == [f"thing {number}" for number in reversed(range(60))]
        found = await auditor.get(f"/en/finance/audit?verb=approve_payout_run&person={ada.person}&text=check")
        assert f'href="/en/finance/payout-runs/{run}"' in found.text
        assert "thing 59" not in found.text
        assert "thing 7" in (await auditor.get("/en/finance/audit?subject=thing+7")).text
        assert "API key made" in (await auditor.get("/en/finance/audit?area=access")).text
        assert "API key made" not in (await finance.get("/en/finance/audit?area=access")).text
        tomorrow = clock.now().date() + dt.timedelta(days=2)
        assert "Nothing yet." in page_text(await auditor.get(f"/en/finance/audit?since={tomorrow}"))
        for path, status in (("?person=x", 422), ("?before=0", 400), ("?since=x", 422), ("?area=zz", 200)):
            assert (await auditor.get(f"/en/finance/audit{path}")).status_code == status


PAGELESS = {
    "consent_recorded": "the receipt is the line's own to read",
    "line_kind_stated": "no page shows a line to staff",
    "invoice_corrected": "its number is found by the search of finance, which no path names",
}
"""Decisions of which the auditor has no page to follow, and why."""


def test_every_decision_leads_to_a_page_that_the_auditor_may_read() -> None:
    pages = [path for handler, path in OUR_ROUTES if "auditor" in expectation_of(handler).who]
    written = {
        (verb, (subject or "").rstrip())
        for path in Path("marketplace").rglob("*.py")
        for verb, subject in re.findall(
            r'note_action\([^()]*?"([a-z_]+)",\s*(?:f"([a-z]+ ))?', path.read_text(encoding="utf-8")
        )
    } - {("request", ""), ("decision", "")}
    assert len(written) > 50
    nowhere = set()
    for verb, kind in written:
        line = TrailLine(1, clock.now(), None, None, verb, f"{kind} 1".strip(), "", "{}", "{}", "decision")
        if not shown_at(line.paths, pages):
            nowhere.add(verb)
    assert nowhere == set(PAGELESS)
