"""A run and its bank: the file it is sent, what the bank answers, what its statement shows, each cent where it belongs."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from lxml import etree
from sepaxml import SepaTransfer

from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid
from marketplace.demo.bank import Bank
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.matching import Match, match_lines
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.money.ledger.chart import BANK, SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE, SUSPENSE
from marketplace.money.ledger.queries import balance
from marketplace.money.sepa import pain001, pain002
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders.banking import bank_day
from tests.people.builders import kinds_written, make_staff
from tests.subscribers.builders import payees, sales
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run, payout_states
from tests.support.reads import fetch_value

IN = {"p": "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"}


@contextlib.asynccontextmanager
async def payout_run(**knobs: Any) -> AsyncIterator[tuple[uuid.UUID, Bank]]:
    """Send a run that pays three lines 33.33 euros each; give it and its bank, whose lines must all be explained at the end."""
    with payees.paying():
        await sales.write_lines()
        await payees.earn({1: 1, 2: 1, 3: 1})
        await payees.write_bank_details(1, 2, 3)
        drafted = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        bank = Bank(OUR_IBAN, **knobs)
        yield drafted, bank
        assert await balance(SUSPENSE) == 0, "every line of the bank's is explained"


async def in_the_books() -> tuple[int, int]:
    """Return what is payable and what is under way, in cents owed."""
    return -await balance(SUBSCRIBERS_PAYABLE), -await balance(SUBSCRIBERS_IN_TRANSIT)


async def test_the_file_says_who_is_paid_what_and_is_the_same_each_time() -> None:
    async with payout_run() as (sent, bank):
        first, again = await file_of_run(sent), await file_of_run(sent)
        assert first == again
        assert pain002.digest(first) == await fetch_value("SELECT file_sha256 FROM payout_run")
        document = etree.fromstring(first)
        assert document.findtext(".//p:MsgId", None, IN) == f"PTR{sent.hex}"
        assert document.findtext(".//p:GrpHdr/p:CtrlSum", None, IN) == "99.99"
        paid = {
            one.findtext("p:CdtrAcct/p:Id/p:IBAN", None, IN): (
                one.findtext("p:Cdtr/p:Nm", None, IN),
                one.findtext("p:Amt/p:InstdAmt", None, IN),
            )
            for one in document.iterfind(".//p:CdtTrfTxInf", IN)
        }
        assert paid == {payees.iban_of(line): (f"Zoe Lefevre {line}", "33.33") for line in (1, 2, 3)}
        assert b"GrpSts>ACCP" in bank.submit(first)
        await settle_all(sent, bank, first)


async def settle_all(sent: uuid.UUID, bank: Bank, file: bytes) -> None:
    bank.submit(file)
    assert await bank_day(bank) == 1
    assert await fetch_value("SELECT state FROM payout_run WHERE id = $1", sent) == "settled"


async def test_an_independent_writer_of_the_same_payments_says_the_same() -> None:
    """The library sepaxml builds the file of the same payees; who is paid, how much and from where must be equal, element by element."""
    async with payout_run() as (sent, bank):
        file = await file_of_run(sent)
        ours = etree.fromstring(file)
        theirs = SepaTransfer(
            {"name": "Partage", "IBAN": OUR_IBAN, "batch": True, "currency": "EUR"}, schema=pain001.SCHEMA
        )
        day = await fetch_value("SELECT execute_on FROM payout_run")
        for one in ours.iterfind(".//p:CdtTrfTxInf", IN):
            theirs.add_payment(
                {
                    "name": one.findtext("p:Cdtr/p:Nm", None, IN),
                    "IBAN": one.findtext("p:CdtrAcct/p:Id/p:IBAN", None, IN),
                    "amount": 3333,
                    "execution_date": day,
                    "description": one.findtext("p:RmtInf/p:Ustrd", None, IN),
                    "endtoend_id": one.findtext("p:PmtId/p:EndToEndId", None, IN),
                }
            )
        written = etree.fromstring(theirs.export(validate=True))
        ids_of_their_own = ("MsgId", "PmtInfId", "CreDtTm")

        def payments_of(document: etree._Element) -> list[tuple[str, str]]:
            elements = document.iter("{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}*")
            names = [(etree.QName(element).localname, (element.text or "").strip()) for element in elements]
            return [(name, text) for name, text in names if name not in ids_of_their_own and text]

        mine, other = payments_of(ours), payments_of(written)
        assert [part for part in mine if part != ("Id", "NOTPROVIDED")] == [
            part for part in other if part != ("Id", "NOTPROVIDED")
        ]
        await settle_all(sent, bank, file)


async def test_the_bank_pays_a_run_and_rejects_one_payee() -> None:
    async with payout_run(rejects={payees.iban_of(2): "AC04"}) as (sent, bank):
        before = await payees.balance_of(2)
        report = bank.submit(await file_of_run(sent))
        assert await payouts.record_answer(sent, report, None) == 1
        assert await payouts.record_answer(sent, report, None) == 0, "the same report again changes nothing"
        assert await payout_states() == {1: ("open", None), 2: ("failed", "AC04"), 3: ("open", None)}
        assert await payees.balance_of(2) == before + 33_330_000
        assert await in_the_books() == (1 + 3333, 6666)
        assert await bank_day(bank) == 1
        assert await payout_states() == {1: ("settled", None), 2: ("failed", "AC04"), 3: ("settled", None)}
        kinds = await kinds_written()
        assert (kinds.count("payout_sent"), kinds.count("payout_refused")) == (2, 1)
        assert await in_the_books() == (1 + 3333, 0)
        assert await balance(BANK) == 100_000_000 - 6666
        assert await fetch_value("SELECT refused_reason FROM bank_details WHERE subscriber = 2") == "AC04"
        assert await payouts.draft() is None, "nobody is paid where a bank refused"


async def test_a_bank_that_books_the_whole_and_returns_the_refused() -> None:
    async with payout_run(rejects={payees.iban_of(2): "MS03"}, books_gross=True) as (sent, bank):
        report = bank.submit(await file_of_run(sent))
        await payouts.record_answer(sent, report, None)
        assert await bank_day(bank) == 2
        assert await payout_states() == {1: ("settled", None), 2: ("failed", "MS03"), 3: ("settled", None)}
        assert await in_the_books() == (1 + 3333, 0)
        assert (
            await fetch_value(
                "SELECT count(*) FROM accrual JOIN share_run ON share_run.id = run WHERE kind = 'payout_back'"
            )
            == 1
        )
        again = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        bank.rejects = {}
        bank.submit(await file_of_run(again))
        await bank_day(bank, 8)
        assert await in_the_books() == (1, 0)


async def test_what_the_bank_returns_later_is_recredited_and_paid_again() -> None:
    async with payout_run(returns={payees.iban_of(3): "MS02"}, books_batches=False) as (sent, bank):
        await payouts.record_answer(sent, bank.submit(await file_of_run(sent)), None)
        assert await bank_day(bank) == 3
        assert await in_the_books() == (1, 0)
        assert (await payout_states())[3] == ("settled", None)
        assert await bank_day(bank, 5) == 1
        assert (await payout_states())[3] == ("failed", "MS02")
        assert await in_the_books() == (1 + 3333, 0)
        assert await fetch_value("SELECT state FROM payout_run WHERE id = $1", sent) == "settled"
        bank.returns = {}
        again = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        bank.submit(await file_of_run(again))
        assert await bank_day(bank, 8) == 1
        assert await in_the_books() == (1, 0)


async def test_a_resend_is_a_repeat_to_the_bank_and_pays_nobody_twice() -> None:
    """The trap: a bank refuses a repeat as a whole; read as a refusal of the payments, everyone would be paid again."""
    async with payout_run() as (sent, bank):
        file = await file_of_run(sent)
        bank.submit(file)
        repeated = bank.submit(await file_of_run(sent))
        assert b"AM05" in repeated
        assert await payouts.record_answer(sent, repeated, None) == 0
        assert {state for state, _ in (await payout_states()).values()} == {"open"}
        assert await bank_day(bank) == 1
        assert await balance(BANK) == 100_000_000 - 9999


async def test_a_file_the_bank_refuses_whole_puts_everything_back() -> None:
    async with payout_run() as (sent, bank):
        bank.iban = "DE89370400440532013000"
        assert await payouts.record_answer(sent, bank.submit(await file_of_run(sent)), None) == 3
        assert await fetch_value("SELECT state FROM payout_run") == "failed"
        assert await in_the_books() == (10_000, 0)
        assert await payouts.draft(), "and everyone is due again: the fault was not theirs"


async def test_two_record_the_same_answer_at_once() -> None:
    async with payout_run(rejects={payees.iban_of(1): "AC01"}) as (sent, bank):
        report = bank.submit(await file_of_run(sent))
        done = await asyncio.gather(*[payouts.record_answer(sent, report, None) for _ in range(4)])
        assert sorted(done) == [0, 0, 0, 1]
        statement = bank.close_day(clock.now().date().replace(year=2099))
        await import_bank_statement(statement, person=None, new_account=True)
        matched = await asyncio.gather(*[match_payouts() for _ in range(4)])
        assert sorted(matched) == [0, 0, 0, 1]
        assert await in_the_books() == (1 + 3333, 0)


async def test_a_refusal_after_the_bank_debited_us_waits_for_the_money() -> None:
    async with payout_run() as (sent, bank):
        file = await file_of_run(sent)
        twin = Bank(OUR_IBAN, rejects={payees.iban_of(1): "AC04"})
        bank.submit(file)
        await bank_day(bank)
        assert await payouts.record_answer(sent, twin.submit(file), None) == 0
        assert (await payout_states())[1] == ("settled", None)


async def test_a_second_debit_for_one_run_stays_with_the_exceptions() -> None:
    async with payout_run() as (sent, bank):
        file = await file_of_run(sent)
        bank.submit(file)
        await bank_day(bank)
        bank.accepted_messages.clear()
        bank.submit(file)
        assert await bank_day(bank, 5) == 0
        assert await balance(SUSPENSE) == 9999
        line = await fetch_value("SELECT max(id) FROM bank_line")
        await match_lines([Match(line, "write_off", "bank's error", -9999, "658000")], person=None)
        await match_payouts()
        assert await in_the_books() == (1, 0)


async def test_an_answer_about_something_else_is_refused() -> None:
    async with payout_run(rejects={payees.iban_of(2): "AC04"}) as (sent, bank):
        file = await file_of_run(sent)
        report = bank.submit(file)
        for wrong, sentence in (
            (report.replace(f"PTR{sent.hex}".encode(), b"PTR" + b"0" * 32), "another file"),
            (b"<Document/>", "not a payment status report"),
            (b"no xml at all", "not an XML file"),
            (report.replace(b"pain.002", b"pain.001"), "not a payment status report"),
            (b"<Document><CstmrPmtStsRpt/></Document>", "not a payment status report"),
            (report.replace((await payees.reference_of(2)).encode(), b"PTP" + b"1" * 32), "not in the run"),
        ):
            with pytest.raises(Invalid, match=sentence):
                await payouts.record_answer(sent, wrong, None)
        assert {state for state, _ in (await payout_states()).values()} == {"open"}
        await payouts.record_answer(sent, report, None)
        await bank_day(bank)


async def test_a_file_that_would_differ_is_not_handed_out_again() -> None:
    async with payout_run() as (sent, bank):
        file = await file_of_run(sent)
        with payees.paying(PAYOUT_NAME="Somebody else"), pytest.raises(Conflict, match="differ"):
            await file_of_run(sent)
        await settle_all(sent, bank, file)


@pytest.mark.deep
@pytest.mark.owner("it analyzes what it loads, as autovacuum does within minutes")
async def test_a_hundred_thousand_are_paid_in_one_run() -> None:
    """Ten batches in two files, one payee refused, everything settled by ten lines, nothing left under way."""
    with payees.paying():
        from tests.benchmarks import payout  # noqa: PLC0415

        await payout.payees(payout.SIZE)
        owed = -await balance(SUBSCRIBERS_PAYABLE)
        sent = await payees.draft_and_send(nora=await make_staff("Nora"), paul=await make_staff("Paul"))
        whole = await fetch_value("SELECT amount_minor FROM payout_run")
        assert await fetch_value("SELECT count(*) FROM payout_batch") == payout.SIZE // payouts.PAYEES_A_BATCH
        assert whole == await fetch_value("SELECT sum(div(payable_micro, 10000))::bigint FROM closed_share")
        bank = Bank(OUR_IBAN, balance_cents=10 * whole, rejects={payees.iban_of(77_777): "AC04"})
        reports = [bank.submit(await file_of_run(sent, number)) for number in (1, 2)]
        assert [await payouts.record_answer(sent, report, None) for report in reports] == [0, 1]
        assert await bank_day(bank) == payout.SIZE // payouts.PAYEES_A_BATCH
        refused = await fetch_value("SELECT amount_minor FROM payout WHERE state = 'failed'")
        assert await in_the_books() == (owed - whole + refused, 0)
        assert await fetch_value("SELECT count(*) FROM payout WHERE state = 'settled'") == payout.SIZE - 1
