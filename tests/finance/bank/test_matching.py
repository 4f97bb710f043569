"""What a bank line is: matched by the job where nothing is in doubt, by people otherwise, split exactly, undone in the open."""

import asyncio
import datetime as dt
import uuid

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.matching import Match, match_lines, match_stripe_payouts, undo_matches
from marketplace.finance.bank.rules import EQUAL, NAMED, Clue, likeness, score
from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.finance.reconciliation.candidates import list_candidates, settle_by_line
from marketplace.finance.reconciliation.exception_queries import find_next, get_exception
from marketplace.finance.reconciliation.queries import list_cash
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.people.identity.actors import Actor
from tests.finance.builders import sales
from tests.finance.builders.statements import Entry, bank_says, open_exceptions, record_payout
from tests.people.builders import make_staff
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value


async def test_the_job_matches_what_is_named_and_leaves_what_is_not_sure() -> None:
    for name, amount in (
        ("po_named", 11_795),
        ("po_only", 500),
        ("po_twin_a", 700),
        ("po_twin_b", 700),
        ("po_other", 900),
    ):
        await record_payout(name, amount)
    named, only, *_ = await bank_says(
        Entry(11_795, "B1", "Virement PO_NAMED recu", "Anyone"),
        Entry(500, "B2", "x", "STRIPE PAYMENTS EUROPE"),
        Entry(700, "B3", "STRIPE"),
        Entry(900, "B4", "x", "Someone else"),
        Entry(901, "B5", "STRIPE po_other"),
    )
    assert await match_stripe_payouts() == 2
    assert await match_stripe_payouts() == 0
    rows = await fetch("SELECT line, target_id, score, reasons, person FROM bank_match ORDER BY line")
    assert [tuple(row) for row in rows] == [
        (named, "po_named", 100, "amount_equal,reference_found", None),
        (only, "po_only", 85, "amount_equal,only_one,name_alike", None),
    ]
    assert await balance(chart.TRANSFERS) == 700 + 700 + 900
    assert await balance(chart.SUSPENSE) == -(700 + 900 + 901)
    assert [(why, amount) for why, _, amount in await open_exceptions()] == [
        ("line_unexplained", 700),
        ("line_unexplained", 900),
        ("line_unexplained", 901),
        ("payout_without_line", 900),
        ("payout_without_line", 700),
        ("payout_without_line", 700),
    ]


async def test_cash_in_and_out_counts_a_payout_on_its_way_to_the_bank_nowhere() -> None:
    async def cash() -> tuple[int, int]:
        rows = await list_cash(clock.now())
        return sum(row.in_minor for row in rows), sum(row.out_minor for row in rows)

    await record_payout("po_a", 900)
    _, other = await bank_says(Entry(900, "B1", "STRIPE po_a"), Entry(70, "B2", "?"))
    assert await cash() == (0, 0), "not explained yet"
    assert await match_stripe_payouts() == 1
    assert await cash() == (0, 0), "from Stripe to the bank"
    await settle_line(other, [("fee", chart.ADVANCES, 70)], await make_staff("Ada"))
    assert await cash() == (70, 0)


async def test_a_person_matches_by_candidate_both_ways() -> None:
    clerk = await make_staff("Ada")
    await record_payout("po_a", 900)
    await record_payout("po_b", 700)
    await record_payout("po_c", 4_000)
    first, second = await bank_says(Entry(900, "B1", "no name"), Entry(700, "B2", "no name"))
    found = await list_candidates(await get_exception("line_unexplained", str(first)))
    assert [(candidate.id, candidate.fits) for candidate in found] == [("po_a", True)]
    assert found[0].score >= EQUAL
    following = await find_next("line_unexplained", str(first))
    assert following is not None
    await settle_line(first, [("payout", "po_a", 900)], clerk)
    lines = await list_candidates(await get_exception("payout_without_line", "po_b"))
    assert [(candidate.kind, candidate.id) for candidate in lines] == [("line", str(second))]
    await settle_by_line("payout_without_line", "po_b", second, clerk)
    assert [why for why, _, _ in await open_exceptions()] == ["payout_without_line"]
    with pytest.raises(NotFound):
        await get_exception("line_unexplained", str(first))
    with pytest.raises(Conflict, match="explained already"):
        await match_lines([Match(first, "fee", "x", 900, chart.BANK_CHARGES)], person=None)
    with pytest.raises(NotFound):
        await settle_by_line("payout_without_line", "po_c", 10**6, clerk)
    trail = (await list_actions(verb="line_matched")).rows
    assert [(row.name, row.became) for row in trail] == [
        ("Ada", {"payout po_b": 700}),
        ("Ada", {"payout po_a": 900}),
    ]


async def test_a_line_is_split_exactly() -> None:
    clerk = await make_staff("Ada")
    await sales.write_shop()
    order = await sales.write_sold_order()
    number = await fetch_value("SELECT number FROM purchase_order WHERE id = $1", order)
    owed = sales.NET + sales.VAT
    [line] = await bank_says(Entry(owed - 250 + 600, "B1", f"{number} moins frais", "ACME SAS"))
    await record_payout("po_x", 600)
    [best, *_] = await list_candidates(await get_exception("line_unexplained", str(line)))
    assert (best.id, best.fits) == (str(order), False)
    assert {"reference_found", "name_alike"} <= set(best.reasons)
    for parts, words in (
        ([("order", number, owed), ("payout", "po_x", 600)], "The parts make"),
        (
            [("order", number, owed + 1), ("payout", "po_x", 600), ("fee", chart.BANK_CHARGES, -251)],
            "owes 12000 cents",
        ),
        ([("order", number, owed), ("payout", "po_x", 599), ("fee", chart.BANK_CHARGES, -249)], "comes whole"),
        ([("fee", chart.LICENCES_SOLD, owed + 350)], "cannot explain"),
        ([("share", "1", owed + 350)], "never that"),
        ([], "one to 12 parts"),
        ([("fee", chart.BANK_CHARGES, 0)], "no amount"),
    ):
        with pytest.raises(Invalid, match=words):
            await settle_line(line, parts, clerk)
    for parts, words in (([("order", "P-none", 9)], "no order"), ([("payout", "po_none", 9)], "no payout")):
        with pytest.raises(NotFound, match=words):
            await settle_line(line, parts, clerk)
    await settle_line(
        line, [("order", number, owed), ("payout", "po_x", 600), ("fee", chart.BANK_CHARGES, -250)], clerk
    )
    assert await open_exceptions() == []
    assert await balance(chart.SUSPENSE) == 0
    assert await balance(chart.PARTNERS) == 0
    assert await balance(chart.BANK_CHARGES) == 250
    assert (await list_actions(verb="line_split")).rows[0].became[f"order {order}"] == owed


async def test_a_match_is_undone_in_the_open() -> None:
    clerk = await make_staff("Ada")
    await record_payout("po_a", 900)
    [line] = await bank_says(Entry(900, "B1", "STRIPE po_a"))
    assert await match_stripe_payouts() == 1
    with pytest.raises(Invalid, match="Say why"):
        await undo_matches(line, clerk, reason=" ")
    await undo_matches(line, clerk, reason="It was another payout.")
    with pytest.raises(Conflict, match="Nothing explains"):
        await undo_matches(line, clerk, reason="Again.")
    assert await balance(chart.SUSPENSE) == -900
    assert await balance(chart.TRANSFERS) == 900
    reversal = await fetch_one("SELECT reverses, text FROM journal_entry WHERE kind = 'reversal'")
    assert reversal is not None
    assert "another payout" in reversal["text"]
    assert await match_stripe_payouts() == 1, "open again, and still its payout"


async def test_two_who_match_at_once_match_once() -> None:
    clerks: list[Actor] = [await make_staff("Ada"), await make_staff("Bob")]
    await record_payout("po_a", 900)
    first, second = await bank_says(Entry(900, "B1"), Entry(900, "B2"))
    tried = await asyncio.gather(
        *(asyncio.create_task(settle_line(first, [("payout", "po_a", 900)], clerk)) for clerk in clerks),
        asyncio.create_task(settle_line(second, [("payout", "po_a", 900)], clerks[0])),
        return_exceptions=True,
    )
    assert [result for result in tried if result is None] == [None]
    assert await balance(chart.TRANSFERS) == 0


async def test_two_lines_at_once_pay_one_order_once() -> None:
    clerk = await make_staff("Ada")
    await sales.write_shop()
    order = await sales.write_sold_order()
    owed = sales.NET + sales.VAT
    lines = await bank_says(*(Entry(owed, f"B{number}") for number in range(4)))
    tried = await asyncio.gather(
        *(asyncio.create_task(settle_line(line, [("order", str(order), owed)], clerk)) for line in lines),
        return_exceptions=True,
    )
    assert sum(result is None for result in tried) == 1
    assert sum(isinstance(result, Invalid) and "owes 0 cents" in str(result) for result in tried) == 3
    assert await balance(chart.PARTNERS) == 0


async def test_the_database_itself_refuses_what_does_not_add_up() -> None:
    [line] = await bank_says(Entry(900, "B1"))
    insert = """INSERT INTO bank_match (id, line, target_kind, target_id, amount_minor, account, score, reasons, matched_at)
                VALUES ($1, $2, 'fee', 'x', $3, $4, 100, '', now())"""
    with pytest.raises(asyncpg.CheckViolationError, match="add up"):
        await execute(insert, uuid.uuid4(), line, 899, chart.BANK_CHARGES)
    with pytest.raises(asyncpg.CheckViolationError, match="money_account"):
        await execute(insert, uuid.uuid4(), line, 900, chart.STRIPE)
    await match_lines([Match(line, "fee", "x", 900, chart.DIFFERENCES_GAINED)], person=None)
    for change in (
        "UPDATE bank_match SET amount_minor = 899",
        "UPDATE bank_match SET account = '627800'",
        "DELETE FROM bank_match",
        "UPDATE bank_line SET amount_minor = 1",
        "DELETE FROM bank_statement",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(change)


def test_scores_say_why() -> None:
    day = dt.date(2026, 10, 5)
    wanted = Clue(12_000, day, ["P-2026-000042"], "P-2026-000042", "Atelier Urbain SAS")
    other = Clue(12_000, day + dt.timedelta(days=2), (), "REGLEMENT P 2026 000042", "ATELIER  URBAIN")
    assert score(wanted, other) == (100, ["amount_equal", "reference_found", "same_days", "name_alike"])
    assert score(wanted, Clue(11_900, day + dt.timedelta(days=30))) == (20, ["amount_close"])
    assert score(wanted, Clue(1, day + dt.timedelta(days=9), words="P-2026-000042")) == (
        NAMED + 5,
        ["reference_found", "near_days"],
    )
    assert score(wanted, Clue(5, day + dt.timedelta(days=90), name="Banque")) == (0, [])
    assert likeness("Stripe", "STRIPE PAYMENTS EUROPE LTD") == 1
