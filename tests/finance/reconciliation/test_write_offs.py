"""Letting go under four eyes: another person decides, the database insists, the books follow, a changed amount returns."""

import uuid

import asyncpg
import pytest

from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotAllowed, NotFound
from marketplace.finance.bank.matching import match_stripe_payouts
from marketplace.finance.bookkeeping.actions import reverse_entry
from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.finance.reconciliation.exception_queries import get_exception, list_exceptions
from marketplace.finance.reconciliation.exceptions.registry import EXCEPTIONS
from marketplace.finance.reconciliation.rules import may_write_off, write_off_postings
from marketplace.finance.reconciliation.write_offs import propose_write_off
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.people.proposals.queries import find_waiting, list_proposals
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, bank_says, open_exceptions, record_payout
from tests.people.builders import kinds_written, make_staff
from tests.support.decisions import decide
from tests.support.reads import fetch_value


async def test_another_person_approves_and_the_books_follow() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    kept, _ = await bank_says(Entry(-37, "B1", "Frais"), Entry(12, "B2", "?"))
    form = uuid.uuid4()
    for _ in range(2):  # the form sent twice proposes once
        await propose_write_off("line_unexplained", str(kept), ada, reason="Too small to ask.", form_id=form)
    with pytest.raises(Conflict, match="already"):
        await propose_write_off("line_unexplained", str(kept), bob, reason="Me too.", form_id=uuid.uuid4())
    waiting = await find_waiting("write_off", f"line_unexplained {kept}")
    assert waiting is not None
    assert (waiting.proposer, waiting.amount_minor) == ("Ada", -37)
    assert await kinds_written() == ["proposal_to_decide"]
    with pytest.raises(NotAllowed, match="someone else"):
        await decide(form, ada, approve=True)
    assert await balance(chart.DIFFERENCES_LOST) == 0
    await decide(form, bob, approve=True)
    with pytest.raises(Conflict, match="decided"):
        await decide(form, bob, approve=False)
    assert await balance(chart.DIFFERENCES_LOST) == 37
    assert await balance(chart.SUSPENSE) == -12
    assert [amount for _, _, amount in await open_exceptions()] == [12]
    assert [(row.verb, row.name) for row in (await list_actions()).rows if row.name] == [
        ("write_off_approved", "Bob"),
        ("write_off_proposed", "Ada"),
    ]
    [row] = await list_proposals()
    assert (row.proposer, row.decider, row.approved) == ("Ada", "Bob", True)


async def test_a_refused_proposal_leaves_everything() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    [line] = await bank_says(Entry(12, "B1"))
    form = uuid.uuid4()
    await propose_write_off("line_unexplained", str(line), ada, reason="Small.", form_id=form)
    await decide(form, bob, approve=False)
    assert [amount for _, _, amount in await open_exceptions()] == [12]
    assert await fetch_value("SELECT count(*) FROM journal_entry WHERE kind = 'write_off'") == 0
    await propose_write_off("line_unexplained", str(line), bob, reason="Asked the bank.", form_id=uuid.uuid4())


async def test_the_database_insists_on_four_eyes() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    [line] = await bank_says(Entry(12, "B1"))
    form = uuid.uuid4()
    await propose_write_off("line_unexplained", str(line), ada, reason="Small.", form_id=form)
    decision = "UPDATE proposal SET decided_by = $1, decided_at = now(), approved = true"
    with pytest.raises(asyncpg.CheckViolationError, match="four_eyes"):
        await execute(decision, ada.person)
    with pytest.raises(asyncpg.CheckViolationError, match="decided_whole"):
        await execute("UPDATE proposal SET approved = true")
    for change in (
        "UPDATE proposal SET proposed_by = $1",
        "UPDATE proposal SET amount_minor = 1, proposed_by = $1",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(change, bob.person)
    await decide(form, bob, approve=False)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE proposal SET approved = true, decided_by = $1", bob.person)
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("DELETE FROM proposal")


async def test_a_changed_amount_is_open_again() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await sales.write_shop()
    order = await sales.write_sold_order()
    form = uuid.uuid4()
    await propose_write_off("sale_without_charge", str(order), ada, reason="They went under.", form_id=form)
    await decide(form, bob, approve=True)
    owed = sales.NET + sales.VAT
    assert await balance(chart.LOSSES) == owed
    assert await balance(chart.PARTNERS) == 0
    assert await open_exceptions() == []
    entry = await fetch_value("SELECT id FROM journal_entry WHERE kind = 'write_off'")
    returned = await reverse_entry(entry, ada, reason="They paid after all.")
    assert await balance(chart.LOSSES) == 0
    assert await fetch_value("SELECT reverses FROM journal_entry WHERE id = $1", returned) == entry
    with pytest.raises(Conflict):
        await reverse_entry(entry, ada, reason="Twice.")
    sale = await fetch_value("SELECT id FROM journal_entry WHERE kind = 'sale'")
    with pytest.raises(Conflict, match="follows something else"):
        await reverse_entry(sale, ada, reason="No.")
    [again] = await open_exceptions()
    assert again[0] == "sale_without_charge", "reversed: it is open again"


async def written_off(why: str, subject: str) -> int:
    """Have two people write an exception off; return the entry that does."""
    form = uuid.uuid4()
    await propose_write_off(why, subject, await make_staff("Ada"), reason="It will not come.", form_id=form)
    await decide(form, await make_staff("Bob"), approve=True)
    entry: int = await fetch_value(
        "SELECT id FROM journal_entry WHERE kind = 'write_off' AND source_id = $1", str(form)
    )
    return entry


async def undo(entry: int) -> None:
    """Hold that finance is shown an entry that wrote off what came after all, and reverse it."""
    row = await get_exception("settled_after_write_off", str(entry))
    assert row.path == f"/finance/journal/{entry}"
    with pytest.raises(Conflict, match="cannot be written off"):
        await propose_write_off(
            "settled_after_write_off", str(entry), await make_staff("Ada"), reason="Again.", form_id=uuid.uuid4()
        )
    await reverse_entry(entry, await make_staff("Ada"), reason="It came after all.")


async def test_a_partner_who_pays_what_was_written_off() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    entry = await written_off("sale_without_charge", str(order))
    assert await open_exceptions() == []
    await sales.mirror_charge(order)
    assert await balance(chart.PARTNERS) == -(sales.NET + sales.VAT)
    assert [why for why, _, _ in await open_exceptions()] == ["settled_after_write_off"]
    await undo(entry)
    assert await open_exceptions() == []
    assert await balance(chart.PARTNERS) == await balance(chart.LOSSES) == 0


async def test_a_bank_line_that_comes_after_its_payout_was_written_off() -> None:
    await record_payout("po_late", 900)
    entry = await written_off("payout_without_line", "po_late")
    assert await balance(chart.TRANSFERS) == 0
    await bank_says(Entry(900, "B1", "STRIPE po_late"))
    assert await match_stripe_payouts() == 1
    assert await balance(chart.TRANSFERS) == -900
    assert [why for why, _, _ in await open_exceptions()] == ["settled_after_write_off"]
    await undo(entry)
    assert await open_exceptions() == []
    assert await balance(chart.TRANSFERS) == await balance(chart.DIFFERENCES_LOST) == 0


async def test_a_difference_that_is_written_off_and_changes_is_not_written_off_twice() -> None:
    async def comes(amount: int) -> None:
        await execute("UPDATE balance_transaction SET amount_minor = $1, net_minor = $1::bigint - fee_minor", amount)

    await sales.write_shop()
    order = await sales.write_sold_order()
    await sales.mirror_charge(order)
    entries = []
    for missing in (1, 3):
        await comes(sales.NET + sales.VAT - missing)
        entries.append(await written_off("charge_differs", str(order)))
    assert await balance(chart.LOSSES) == 1 + 3
    await undo(entries[0])
    assert "settled_after_write_off" not in [why for why, _, _ in await open_exceptions()]
    await comes(sales.NET + sales.VAT)
    await undo(entries[1])
    assert await open_exceptions() == []
    assert await balance(chart.LOSSES) == 0


async def test_what_must_be_corrected_cannot_be_written_off() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, status, created_at, available_on)
           VALUES ('t1', 'contribution', -5, 0, -5, 'available', now() - interval '2 d', now()),
                  ('t2', 'charge', 500, 0, 500, 'available', now() - interval '1 d', now())"""
    )
    with pytest.raises(Conflict, match="corrected"):
        await propose_write_off("unknown_category", "t1", ada, reason="Never mind.", form_id=uuid.uuid4())
    with pytest.raises(Invalid, match="Say why"):
        await propose_write_off("charge_without_payment", "t2", ada, reason="  x ", form_id=uuid.uuid4())
    with pytest.raises(NotFound):
        await propose_write_off("charge_without_payment", "t9", ada, reason="Not there.", form_id=uuid.uuid4())
    form = uuid.uuid4()
    await propose_write_off("charge_without_payment", "t2", ada, reason="A gift.", form_id=form)
    assert (await get_exception("charge_without_payment", "t2")).proposal == form
    await execute("UPDATE balance_transaction SET amount_minor = 600, net_minor = 600 WHERE id = 't2'")
    with pytest.raises(Conflict, match="another amount"):
        await decide(form, bob, approve=True)
    with pytest.raises(NotFound):
        await decide(uuid.uuid4(), bob, approve=True)
    assert [row.why for row in (await list_exceptions()).rows][:1] == ["charge_without_payment"]


def test_postings_clear_the_account() -> None:
    assert write_off_postings("charge_without_payment", 500) == [(chart.PARTNERS, chart.DIFFERENCES_GAINED, 500)]
    assert write_off_postings("sale_without_charge", 500) == [(chart.LOSSES, chart.PARTNERS, 500)]
    assert write_off_postings("dispute_open", -700) == [(chart.LOSSES, chart.DISPUTES, 700)]
    assert write_off_postings("payout_without_line", 9) == [(chart.DIFFERENCES_LOST, chart.TRANSFERS, 9)]
    assert write_off_postings("charge_differs", -1) == [(chart.LOSSES, chart.PARTNERS, 1)]
    assert write_off_postings("event_failed", None) == []
    assert {code for code in EXCEPTIONS if may_write_off(code)} == {
        "paid_twice",
        "deposit_differs",
        "penalty_unpaid",
        "notice_without_line",
        "charge_without_payment",
        "charge_without_order",
        "charge_differs",
        "sale_without_charge",
        "refund_without_entry",
        "refund_without_movement",
        "dispute_open",
        "dispute_differs",
        "payout_without_line",
        "payout_kept",
        "transfer_unasked",
        "refund_failed",
        "einvoice_rejected",
        "event_failed",
        "command_failed",
        "statement_gap",
        "entitlement_without_money",
        "money_without_entitlement",
        "download_without_money",
        "line_unexplained",
    }
