"""Payout runs in finance's queue: one that waits, one that the bank has not answered, and a line matched by hand."""

import datetime as dt
import uuid

import pytest

from marketplace.core import clock
from marketplace.core.errors import Invalid, NotFound
from marketplace.demo.bank import Bank
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.finance.bookkeeping.actions import reverse_entry
from marketplace.finance.bookkeeping.closing import checks_of
from marketplace.finance.reconciliation.candidates import list_candidates, settle_by_line
from marketplace.finance.reconciliation.exception_queries import get_exception, list_exceptions
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.ledger.chart import DIFFERENCES_LOST, SUBSCRIBERS_IN_TRANSIT, SUBSCRIBERS_PAYABLE, SUSPENSE
from marketplace.money.ledger.queries import balance
from marketplace.subscribers.payouts import actions as payouts
from tests.finance.builders.banking import bank_day
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import make_staff
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support.decisions import decide
from tests.support.reads import fetch_one, fetch_value

DAY = dt.timedelta(days=1)


async def queued(days: float) -> list[tuple[str, str]]:
    """Return the payout runs in the queue that many days after the holds."""
    with clock.shifted(days * DAY):
        rows = (await list_exceptions()).rows
    return [(row.why, row.subject) for row in rows if row.why.startswith("run_")]


async def test_a_run_that_waits_is_named_after_five_days_and_goes_with_its_cause() -> None:
    async with payees.paying_three():
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        drafted = await payouts.draft(nora)
        assert drafted
        assert await queued(4.9) == []
        assert await queued(5.1) == [("run_undecided", str(drafted))]
        with clock.shifted(6 * DAY):
            assert (await get_exception("run_undecided", str(drafted))).path == f"/finance/payout-runs/{drafted}"
            await payouts.approve(drafted, paul, reason="checked")
            await payouts.send(drafted, paul)
        assert await queued(10) == [], "sent: the bank has its time"
        assert await queued(11.1) == [("run_unanswered", str(drafted))]
        with clock.shifted(40 * DAY):
            month = clock.now().date().replace(day=1)
            assert [check.passes for check in await checks_of(month) if check.name == "nothing_open"] == [True]


async def test_a_clerk_says_which_subscribers_payout_a_line_is() -> None:
    """A bank that names nothing: the clerk finds the payout by its amount, the books and the payout follow."""
    async with payees.paying_three():
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        await payees.draft_and_send(nora=nora, paul=paul)
        shown = Statement([Entry(-3_333, "B1"), Entry(3_333, "B2")], opening=100_000)
        await import_bank_statement(shown.xml(), person=nora.person, new_account=True)
        assert await match_payouts() == 0, "no reference, no certainty"
        debit, credit = [
            await fetch_value("SELECT id FROM bank_line WHERE reference = $1", name) for name in ("B1", "B2")
        ]
        exception = await get_exception("line_unexplained", str(debit))
        found = [one for one in await list_candidates(exception) if one.kind == "payout_line"]
        assert [one.fits for one in found] == [True] * 3, (
            "three payees of the same amount; the whole batch is not like it"
        )
        chosen = found[0].id
        for amount, refusal in ((-3_332, Invalid), (3_333, Invalid)):
            with pytest.raises(refusal):
                await settle_line(debit, [("payout_line", chosen, amount)], nora)
        with pytest.raises(NotFound):
            await settle_line(debit, [("payout_line", f"PTP{uuid.uuid4().hex}", -3_333)], nora)
        await settle_line(debit, [("payout_line", chosen, -3_333)], nora)
        with pytest.raises(NotFound):
            await settle_line(credit, [("payout_line", chosen, 3_333)], nora)
        await match_payouts()
        assert await fetch_value("SELECT count(*) FROM payout WHERE state = 'settled'") == 1
        again = await list_candidates(await get_exception("line_unexplained", str(credit)))
        assert [one.id for one in again if one.kind == "payout_line"] == [chosen], "a return of what was paid"
        await settle_line(credit, [("payout_line", chosen, 3_333)], nora)
        await match_payouts()
        payout = await fetch_one("SELECT state FROM payout WHERE id = $1", uuid.UUID(chosen[3:]))
        assert payout
        assert payout["state"] == "failed"
        assert await balance(SUSPENSE) == 0
        assert (-await balance(SUBSCRIBERS_PAYABLE), -await balance(SUBSCRIBERS_IN_TRANSIT)) == (
            10_000 - 2 * 3_333,
            6_666,
        )


@pytest.mark.parametrize("brought_back", [True, False])
async def test_a_refused_payout_whose_money_the_bank_debited_all_the_same_is_named(brought_back: bool) -> None:  # noqa: FBT001
    """The bank books the whole batch, the refused one too, and forgets to bring that one back."""
    async with payees.paying_three():
        nora, paul = await make_staff("Nora"), await make_staff("Paul")
        sent = await payees.draft_and_send(nora=nora, paul=paul)
        bank = Bank(OUR_IBAN, rejects={payees.iban_of(2): "AC04"}, books_gross=True)
        await payouts.record_answer(sent, bank.submit(await file_of_run(sent)), nora)
        bank.rejected = []
        assert await bank_day(bank) == 1
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 3_333, "gone from the bank, and back with the subscriber"
        reference = await payees.reference_of(2, state="failed")
        with clock.shifted(4.9 * DAY):
            assert await subjects_of_exceptions("payout_kept") == []
        with clock.shifted(5.1 * DAY):
            assert await subjects_of_exceptions("payout_kept") == [(reference, 3_333)]
            if brought_back:
                day = (clock.now() + DAY).date()
                shown = Statement([Entry(3_333, "B9", day=day)], opening=bank.balance_cents, message="late", day=day)
                await import_bank_statement(shown.xml(), person=nora.person)
                [line] = await list_candidates(await get_exception("payout_kept", reference))
                assert (line.kind, line.fits) == ("line", True)
                await settle_by_line("payout_kept", reference, int(line.id), nora)
            else:
                form = uuid.uuid4()
                await propose_write_off("payout_kept", reference, nora, reason="The bank paid it.", form_id=form)
                await decide(form, paul, approve=True)
            assert await subjects_of_exceptions("payout_kept") == []
        assert await balance(SUBSCRIBERS_IN_TRANSIT) == 0
        assert await balance(DIFFERENCES_LOST) == (0 if brought_back else 3_333)
        if not brought_back:
            day = (clock.now() + 7 * DAY).date()
            shown = Statement(
                [Entry(3_333, "B9", end_to_end=reference, day=day)], opening=bank.balance_cents, message="late", day=day
            )
            await import_bank_statement(shown.xml(), person=nora.person)
            await match_payouts()
            [(entry, amount)] = await subjects_of_exceptions("settled_after_write_off")
            assert amount == 3_333, "written off, and brought back all the same"
            await reverse_entry(int(entry), nora, reason="The bank brought it back.")
            assert await subjects_of_exceptions("settled_after_write_off") == []
            assert await balance(SUBSCRIBERS_IN_TRANSIT) == await balance(DIFFERENCES_LOST) == 0


async def subjects_of_exceptions(why: str) -> list[tuple[str, int]]:
    return [(row.subject, row.amount_minor) for row in (await list_exceptions(why=why)).rows]
