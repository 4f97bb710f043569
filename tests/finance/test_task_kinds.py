"""What waits for staff: each thing has its page, and every home and list says the same number of it."""

import re
import uuid
from typing import Final

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.finance.task_kinds import TASKS, list_work
from marketplace.people.identity.actors import Actor
from marketplace.people.identity.guards import COOKIE, begin_session
from marketplace.people.tasks.queries import MOST_SHOWN
from marketplace.sales.orders.claim_actions import file_claim
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, Statement, bank_says
from tests.people.builders import Browser, make_partner, make_staff, page_text
from tests.subscribers.builders import payees
from tests.support.reads import fetch_value

PAGES: Final = {"finance": ("/en/finance", "/en/finance/desk"), "steward": ("/en/start",)}


async def _agrees(browser: Browser, actor: Actor) -> set[str]:
    """Return the kinds that wait for somebody, having opened each page, home and list."""
    browser.client.cookies.set(COOKIE, (await begin_session(actor.person)).value or "")
    waiting = await list_work(actor)
    for of_kind in waiting:
        for task in (*of_kind.mine, *of_kind.others):
            answer = await browser.get(f"/en{task.path}")
            assert answer.status_code == 200, f"{of_kind.kind.code} leads to {task.path}: {answer.status_code}"
    things = sum(of_kind.count for of_kind in waiting)
    for path in PAGES[str(actor.role)]:
        shown = page_text(await browser.get(path))
        if path == "/en/finance":
            counts = [
                int(number)
                for number in re.findall(r"(\d+)(?= |$)", shown.split(" All of it")[0].rsplit("To do ", 1)[1])
            ]
            assert counts == [of_kind.count for of_kind in waiting if of_kind.count]
        else:
            assert f"{things} things" in shown, path
    return {of_kind.kind.code for of_kind in waiting}


async def test_finance_reads_the_same_number_everywhere_and_each_thing_has_its_page() -> None:
    async with payees.paying_three():
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        small, _ = await bank_says(Entry(-37, "B1", "Frais"), Entry(90_000, "B2", "?", name="ATELIER"))
        await propose_write_off("line_unexplained", str(small), nora, reason="Too small.", form_id=uuid.uuid4())
        assert await payouts.draft(paul)
        async with Browser() as browser:
            for actor in (nora, paul):
                seen = await _agrees(browser, actor)
            assert {"exception", "decision", "run_to_approve"} <= seen
            await payouts.approve(await fetch_value("SELECT id FROM payout_run"), nora, reason="checked")
            assert "run_to_send" in await _agrees(browser, nora)


async def test_a_gap_between_statements_waits() -> None:
    for statement in (
        Statement([Entry(700, "B1")], sequence=1),
        Statement([Entry(5, "B3")], opening=900, name="S3", message="M3", sequence=3),
    ):
        await import_bank_statement(statement.xml("08"), person=None, new_account=True)
    async with Browser() as browser:
        assert {"bank_gap", "month"} <= await _agrees(browser, await make_staff("Nora"))


async def test_a_steward_sees_claims_and_requests_too() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    buyer = await fetch_value("SELECT partner FROM purchase_order")
    await file_claim(buyer, order, "wrong_figures", "Zone 1 is empty.", claim=uuid.uuid4())
    await make_partner("Newcomer", "new@other.example")
    request = uuid.uuid4()
    await execute(
        """INSERT INTO data_request (id, digest, place, product, grain, starts_on, ends_on, asked_at)
           VALUES ($1, 'd', 'Bordeaux', 'presence', 'hour', '2026-10-01', '2026-10-31', $2)""",
        request,
        clock.now(),
    )
    await execute(
        "INSERT INTO data_request_partner VALUES ($1, $2, $3, 'Bordeaux', 210000, '', $4)",
        uuid.uuid4(),
        request,
        buyer,
        clock.now(),
    )
    async with Browser() as browser:
        sam = await make_staff("Sam", "steward")
        assert {"claim", "partner", "request"} <= await _agrees(browser, sam)
        assert "€2,100.00" in page_text(await browser.get("/en/start"))
        assert "claim" in await _agrees(browser, await make_staff("Nora"))


async def test_more_than_a_page_shows_are_counted() -> None:
    await execute(
        """INSERT INTO partner (id, company, country, vat_number, signed_up_at)
           SELECT gen_random_uuid(), 'Company ' || n, 'FR', '', $1 FROM generate_series(1, $2::int) AS n""",
        clock.now(),
        MOST_SHOWN + 5,
    )
    [partners] = await list_work(await make_staff("Sam", "steward"))
    assert (len(partners.mine), partners.count) == (MOST_SHOWN, MOST_SHOWN + 5)


@pytest.mark.parametrize("code", TASKS)
def test_every_kind_has_words_in_both_languages_and_a_role(code: str) -> None:
    kind = TASKS[code]
    assert kind.words.fr != kind.words.en or code == "exception"
    assert kind.roles <= {"finance", "steward"}
    assert kind.roles
