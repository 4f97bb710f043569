"""Closing a month: every check can stop it and names what is in the way; closed, the books refuse, and nothing reopens."""

import asyncio
import datetime as dt

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.finance.bank.candidates import settle_line
from marketplace.finance.bank.matching import undo_matches
from marketplace.finance.bookkeeping.closing import HEADINGS, checks_of, close_month
from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record
from marketplace.money.ledger.periods import bounds, closed_until, list_closed, list_open, month_of, next_month
from marketplace.money.ledger.queries import balance, trial_balance
from marketplace.oversight.invariants import broken
from tests.finance.builders.books import book_sale, in_the_way, months_ago, record_comparison
from tests.finance.builders.statements import Entry, Statement
from tests.people.builders import make_staff
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value


async def test_a_month_closes_and_then_refuses() -> None:
    ada, month = await make_staff("Ada"), months_ago(1)
    start, end = bounds(month)
    await book_sale(start)
    await record_comparison()
    assert await list_open(clock.now()) == [month]
    assert {check.name for check in await checks_of(month)} == set(HEADINGS)
    assert await in_the_way(month) == {}
    await close_month(month, ada)
    assert await closed_until() == end
    assert await list_open(clock.now()) == []
    [closed] = await list_closed()
    assert (closed.month, closed.name, len(closed.checked)) == (month, "Ada", len(HEADINGS))
    assert (await list_actions(verb="period_closed")).rows[0].subject == month.isoformat()[:7]
    for at in (start, end - dt.timedelta(microseconds=1), start - dt.timedelta(days=400)):
        with pytest.raises(Conflict, match="books are closed until"):
            await book_sale(at, "late")
        with pytest.raises(asyncpg.RestrictViolationError, match="closed period"):
            await execute(
                "INSERT INTO journal_entry (kind, source_id, at, recorded_at, text) VALUES ('x', 'raw', $1, now(), '')",
                at,
            )
    entry = await fetch_value("SELECT id FROM journal_entry")
    with pytest.raises(asyncpg.RestrictViolationError, match="closed period"):
        await execute(
            "INSERT INTO posting (entry, debit, credit, amount_minor) VALUES ($1, '411000', '706000', 1)", entry
        )
    await book_sale(end, "in the open month")
    await record(
        "fact", "came late", at=start, late=True, text="Late", postings=[(chart.PARTNERS, chart.LICENCES_SOLD, 7)]
    )
    late = await fetch_one("SELECT at, text FROM journal_entry WHERE source_id = 'came late'")
    assert late is not None
    assert (late["at"], late["text"]) == (end, f"Late ({month.isoformat()})")
    assert await balance(chart.PARTNERS, end - dt.timedelta(microseconds=1)) == 100
    for change in (
        "DELETE FROM period",
        "UPDATE period SET ends_at = starts_at + interval '1 s'",
        "TRUNCATE period CASCADE",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(change)
    with pytest.raises(Conflict, match="never opens again"):
        await close_month(month, ada)


async def test_a_trial_balance_starts_where_the_last_closed_month_ended() -> None:
    async def tamper(by: int) -> None:
        await as_owner("ALTER TABLE period_balance DISABLE TRIGGER append_only")
        await as_owner(
            "UPDATE period_balance SET debit_minor = debit_minor + $1 WHERE account = $2 AND month = $3",
            by,
            chart.PARTNERS,
            months_ago(1),
        )
        await as_owner("ALTER TABLE period_balance ENABLE TRIGGER append_only")

    async def partners(at: dt.datetime | None) -> int:
        [row] = [row for row in await trial_balance(at) if row.code == chart.PARTNERS]
        return int(row.debit_minor)

    ada, months = await make_staff("Ada"), [months_ago(2), months_ago(1)]
    for month in months:
        await book_sale(bounds(month)[0], f"first of {month}")
        await book_sale(bounds(month)[1] - dt.timedelta(microseconds=1), f"last of {month}")
    await book_sale(bounds(months[1])[1], "the open month's")
    await record_comparison()
    edges = [edge for month in months for edge in bounds(month)]
    instants = [None, *edges, *[edge - dt.timedelta(microseconds=1) for edge in edges]]
    before = [await partners(at) for at in instants]
    for month in months:
        await close_month(month, ada)
    assert [await partners(at) for at in instants] == before
    assert before[0] == 500
    await tamper(7)
    assert await partners(None) == 507, "the closed months are not added up again"
    [offender] = await broken()
    assert offender.startswith("what the last closed month ended with")
    await tamper(-7)
    with pytest.raises(asyncpg.RestrictViolationError):
        await as_owner("UPDATE period_balance SET debit_minor = 0")


async def test_every_check_stops_the_close_and_names_what_is_in_the_way() -> None:
    ada, month, before = await make_staff("Ada"), months_ago(1), months_ago(2)
    start, end = bounds(month)
    await book_sale(bounds(before)[0])
    assert await in_the_way(month) == {"in_order": [before.isoformat()[:7]], "stripe_agrees": ["–"]}
    with pytest.raises(Conflict, match="those before it are closed"):
        await close_month(month, ada)
    await record_comparison(at=end - dt.timedelta(seconds=1))
    assert len((await in_the_way(month))["stripe_agrees"][0]) == len("2026-10-31T22:59")
    await record_comparison(5, 6)
    assert (await in_the_way(month))["stripe_agrees"] == ["-0.01 EUR"]
    await record_comparison()
    await close_month(before, ada)
    assert await in_the_way(month) == {}

    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, status, created_at, available_on)
           VALUES ('t1', 'climate_order_purchase', -5, 0, -5, 'available', $1, $1),
                  ('t2', 'platform_earning', 5, 0, 5, 'available', $2, $2)""",
        start,
        end,
    )
    assert await in_the_way(month) == {"categories_known": ["climate_order_purchase"]}, (
        "the next month's does not matter"
    )
    with pytest.raises(Conflict, match=r"Every category of Stripe’s has an account \(climate_order_purchase\)"):
        await close_month(month, ada)
    await execute("DELETE FROM balance_transaction")

    await execute(
        "INSERT INTO stripe_event (id, type, payload, came_by, received_at, created_at, handled_at, error) VALUES ('evt_1', 'x', '{}', 'sweep', $1, $1, now(), 'No payment of ours.')",
        start,
    )
    assert await in_the_way(month) == {"nothing_open": ["event_failed evt_1"]}
    await execute("DELETE FROM stripe_event")

    day = month + dt.timedelta(days=9)
    given = Statement([Entry(50, "B1", day=day)], day=day)
    await import_bank_statement(given.xml(), person=None, new_account=True)
    found = await in_the_way(month)
    assert found == {
        "nothing_open": ["line_unexplained B1"],
        "bank_complete": [f"{given.iban} {day}"],
        "nothing_in_suspense": ["-0.50 EUR"],
    }
    last = next_month(month) - dt.timedelta(days=1)
    gap = Statement([], opening=60, name="S3", message="M3", day=last)
    await import_bank_statement(gap.xml(), person=None)
    found = await in_the_way(month)
    assert found["bank_complete"] == [f"{given.iban} S3"]
    assert found["bank_agrees"] == ["-0.10 EUR"]


async def test_a_match_undone_in_a_later_month_does_not_keep_its_own_from_closing() -> None:
    ada, month, before = await make_staff("Ada"), months_ago(1), months_ago(2)
    for given in (before, month):
        day = next_month(given) - dt.timedelta(days=1)
        opening = 50 if given == month else 0
        lines = [Entry(50, f"B{given}", day=day)]
        statement = Statement(lines, opening=opening, name=f"S{given}", message=f"M{given}", day=day)
        await import_bank_statement(statement.xml(), person=None, new_account=True)
    earlier, later = [row["id"] for row in await fetch("SELECT id FROM bank_line ORDER BY booked_on")]
    for line, account in ((earlier, chart.ADVANCES), (later, chart.SUPPLIERS)):
        await settle_line(line, [("fee", account, 50)], ada)
    await record_comparison()
    await close_month(before, ada)
    for line in (earlier, later):
        await undo_matches(line, ada, reason="It is a fee.")
        await settle_line(line, [("fee", chart.BANK_CHARGES, 50)], ada)
    end = bounds(month)[1] - dt.timedelta(microseconds=1)
    assert await balance(chart.SUPPLIERS, end) == 0, "reversed where it was: that month is still open"
    assert await balance(chart.ADVANCES, bounds(month)[0] - dt.timedelta(microseconds=1)) == -50, "closed as it was"
    assert await balance(chart.BANK_CHARGES, end) == -100
    assert await in_the_way(month) == {}
    await close_month(month, ada)


async def test_only_a_month_that_is_over_closes() -> None:
    ada = await make_staff("Ada")
    await record_comparison()
    this = month_of(clock.now())
    await book_sale(bounds(this)[0])
    assert list(await in_the_way(this)) == ["in_order", "stripe_agrees"]
    with pytest.raises(Conflict):
        await close_month(this, ada)
    with pytest.raises(Invalid):
        await close_month(this + dt.timedelta(days=1), ada)


async def test_a_payout_without_any_bank_stops_the_close() -> None:
    month = months_ago(1)
    end = bounds(month)[1]
    await record_comparison()
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, source_id, status, created_at,
                                            available_on)
           VALUES ('t1', 'payout', -5, 0, -5, 'po_1', 'available', $1, $1)""",
        end - dt.timedelta(hours=1),
    )
    await record(
        "stripe_payout",
        "t1",
        at=end - dt.timedelta(hours=1),
        text="Payout",
        postings=[(chart.TRANSFERS, chart.STRIPE, 5)],
    )
    assert (await in_the_way(month))["bank_complete"] == ["–"]


async def test_who_writes_while_a_month_closes_is_before_it_or_refused() -> None:
    ada, month = await make_staff("Ada"), months_ago(1)
    start, _ = bounds(month)
    await book_sale(start)
    await record_comparison()

    written_before, race = 10, asyncio.Event()

    async def write(number: int) -> bool:
        if number >= written_before:
            await race.wait()
        try:
            await book_sale(start, f"race {number}")
        except Conflict:
            return False
        finally:
            if number == written_before - 1:
                race.set()
        return True

    async def close() -> None:
        await race.wait()
        await close_month(month, ada)

    *written, _ = await asyncio.gather(
        *(asyncio.create_task(write(number)) for number in range(30)), asyncio.create_task(close())
    )
    entered = await fetch_value("SELECT count(*) FROM journal_entry WHERE source_id LIKE 'race%'")
    assert entered == written.count(True)
    assert (
        await fetch_value(
            "SELECT count(*) FROM journal_entry WHERE xmin::text::bigint > (SELECT xmin::text::bigint FROM period)"
        )
        == 0
    )
