"""A payee left out after the file was sent, by hand: what finance sees at each step, and the person; nobody is paid twice."""

import contextlib
import datetime as dt
import re
from collections.abc import AsyncIterator

import httpx
import pytest

from marketplace.core import clock
from marketplace.demo.bank import Bank
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.money.ledger.chart import SUBSCRIBERS_IN_TRANSIT
from marketplace.money.ledger.queries import balance
from marketplace.oversight import invariants
from tests.people.builders import press, visiting, words
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, paying_four
from tests.support.decisions import approve_waiting
from tests.support.reads import fetch_value


@contextlib.asynccontextmanager
async def clerks_on(days: int) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Be that many days on, where two clerks have signed in."""
    with clock.shifted(dt.timedelta(days=days)):
        async with visiting(role="finance") as nora, visiting(role="finance") as paul:
            yield nora, paul


def as_notice(statement: bytes) -> bytes:
    """Return a statement's entries as the notification (camt.054) that comes before it."""
    text = re.sub(r"<Bal>.*?</Bal>", "", statement.decode(), flags=re.DOTALL).replace("camt.053", "camt.054")
    return text.replace("BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn").replace("Stmt>", "Ntfctn>").encode()


async def brings(clerk: httpx.AsyncClient, data: bytes, **fields: str) -> str:
    """Look at a bank file first, then import it; return what the bank's page says."""
    kept = await press(clerk, "/finance/bank", "/finance/bank", files={"file": ("bank.xml", data)}, **fields)
    await match_payouts()  # as the job does every minute
    return words(await clerk.get(kept.headers["location"]))


async def drafted_and_sent(nora: httpx.AsyncClient, paul: httpx.AsyncClient) -> str:
    """Draft, approve and send a run; return its page."""
    path = (await press(nora, "/finance/payout-runs", "/finance/payout-runs")).headers["location"][3:]
    await press(paul, path, "/approve", reason="the sums fit")
    await press(nora, path, "/send")
    return path


async def page_after_answer(clerk: httpx.AsyncClient, path: str, report: bytes) -> str:
    """Send the bank's answer; return what the run's page says then."""
    await press(clerk, path, "/answer", files={"file": ("answer.xml", report, "application/xml")})
    return words(await clerk.get(f"/en{path}"))


async def paid_to(line: int) -> list[str]:
    found: list[str] = await fetch_value(
        "SELECT array_agg(payout.state ORDER BY sent_at) FROM payout JOIN payout_run ON payout_run.id = run WHERE subscriber = $1",
        line,
    )
    return found


@pytest.mark.long
async def test_a_payee_left_out_after_the_file_was_sent_and_one_that_is_rejected_are_paid_once() -> None:
    async with paying_four(), visiting(role="finance") as nora, visiting(role="finance") as paul:
        await payees.write_bank_details(1, 2, 3)
        bank = Bank(OUR_IBAN, rejects={payees.iban_of(2): "AC04"}, names={payees.iban_of(3): "RVNM"})
        await brings(nora, bank.close_day(clock.now().date()), new_account="yes")
        path = await drafted_and_sent(nora, paul)
        first = (await nora.get(f"/en{path}/download")).content
        shown = await page_after_answer(nora, path, bank.verify(first))
        assert "The account is in another name" in shown
        await press(paul, path, "/names", outcome="none", decision="left_out")
        await approve_waiting("payee_names")
        second = (await nora.get(f"/en{path}/download")).content
        assert payees.iban_of(3).encode() in first
        assert payees.iban_of(3).encode() not in second
        shown = await page_after_answer(nora, path, bank.submit(second))
        assert "AC04: the account is closed" in shown
        assert (await payees.balance_of(3), await payees.balance_of(2)) == (25_000_000, 25_000_000)

        day = clock.now().date() + dt.timedelta(days=4)
        statement = bank.close_day(day)
        async with clerks_on(4) as (ada, _):
            shown = await brings(ada, as_notice(statement))
            assert "Announced: 1 movement" in shown
            assert await balance(SUBSCRIBERS_IN_TRANSIT) == -2_500, "a notification moves nothing"
        async with clerks_on(12) as (ada, _):
            desk = words(await ada.get("/en/finance/exceptions"))
            assert "25.00" in desk, desk
            shown = await brings(ada, statement)
            assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
            assert "25.00" not in words(await ada.get("/en/finance/exceptions"))
        assert [await paid_to(line) for line in (1, 2, 3)] == [["settled"], ["failed"], ["failed"]]
        assert "Paid out · 1 €25.00" in words(await paul.get(f"/en{path}"))

        async with visiting(3) as lea, visiting(2) as bob:
            for who, why in ((lea, "another name"), (bob, "the account is closed")):
                assert why in words(await who.get("/en/earnings/payouts"))
            subjects = await fetch_value("SELECT array_agg(DISTINCT kind) FROM message")
            assert {"payee_differs", "payout_refused"} <= set(subjects)
            due = (await nora.get("/en/finance/payout-runs")).text
            assert 'method="post" action="/en/finance/payout-runs"' not in due, "nobody is due until details are new"
            for line, who in ((2, bob), (3, lea)):
                await press(
                    who, "/earnings/bank-details", "/bank-details", holder=f"Zoé {line}", iban=payees.iban_of(line + 20)
                )
        async with clerks_on(20) as (ada, ben):
            again = await drafted_and_sent(ada, ben)
            third = (await ada.get(f"/en{again}/download")).content
            assert third.count(b"<CdtTrfTxInf>") == 2
            await page_after_answer(ada, again, bank.submit(third))
            assert b"AM05" in bank.submit(third)
            await brings(ada, bank.close_day(clock.now().date() + dt.timedelta(days=4)))
            assert [await paid_to(line) for line in (1, 2, 3)] == [
                ["settled"],
                ["failed", "settled"],
                ["failed", "settled"],
            ]
            assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
            assert [await payees.balance_of(line) for line in (1, 2, 3)] == [0, 0, 0]
        assert await invariants.broken() == []


async def test_a_bank_that_pays_the_former_file_all_the_same_is_named_to_finance() -> None:
    """The clerk authorised the file that was replaced: the bank pays who was left out, and has that money."""
    async with paying_four(), visiting(role="finance") as nora, visiting(role="finance") as paul:
        await payees.write_bank_details(1, 2, 3)
        bank = Bank(OUR_IBAN, names={payees.iban_of(3): "RVNM"})
        await brings(nora, bank.close_day(clock.now().date()), new_account="yes")
        path = await drafted_and_sent(nora, paul)
        first = (await nora.get(f"/en{path}/download")).content
        await page_after_answer(nora, path, bank.verify(first))
        await press(paul, path, "/names", outcome="none", decision="left_out")
        await approve_waiting("payee_names")
        await page_after_answer(nora, path, bank.submit(first))
        async with clerks_on(4) as (ada, _):
            await brings(ada, bank.close_day(clock.now().date()))
        async with clerks_on(12) as (ada, _):
            desk = words(await ada.get("/en/finance/exceptions"))
            assert "25.00" in desk
        assert await invariants.broken() == []
