"""A correction is a new entry that points to the old one; the trail of who and why is only ever added to."""

import asyncio
import datetime as dt
from typing import Any

import asyncpg
import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict
from marketplace.finance.bookkeeping.trail import list_actions, list_staff, list_verbs
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import record, reverse, reverse_all
from marketplace.money.ledger.queries import get_entry, trial_balance
from marketplace.people.audit_trail.actions import note_action
from tests.people.builders import make_staff
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value

NOON = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)


async def record_sale(source: str, at: dt.datetime = NOON) -> int:
    moves = [(chart.PARTNERS, chart.LICENCES_SOLD, 100), (chart.PARTNERS, chart.VAT_COLLECTED, 20)]
    await record("fact", source, at=at, text="Sale", postings=moves)
    entry: int = await fetch_value("SELECT id FROM journal_entry WHERE source_id = $1", source)
    return entry


async def test_an_entry_is_reversed_once_by_one_that_points_to_it() -> None:
    first = await record_sale("s1")
    made = await reverse(first, text="Wrong partner")
    entry, reversal = await get_entry(first), await get_entry(made)
    assert (reversal.entry.reverses, entry.reversed_by, reversal.reversed_by) == (first, made, None)
    assert [(p.debit, p.credit, p.amount_minor) for p in reversal.postings] == [
        (p.credit, p.debit, p.amount_minor) for p in entry.postings
    ]
    for again in (first, made, 10**6):
        with pytest.raises(Conflict):
            await reverse(again, text="Again")
    with pytest.raises(asyncpg.UniqueViolationError):
        await execute(
            """INSERT INTO journal_entry (kind, source_id, at, recorded_at, text, reverses)
               VALUES ('reversal', 'by hand', now(), now(), '', $1)""",
            first,
        )
    await record_sale("s2")
    second = await asyncio.gather(
        *(asyncio.create_task(reverse_all([("fact", "s2"), ("fact", "s1")], text="Both")) for _ in range(3))
    )
    assert sorted(second) == [0, 0, 1]
    assert sum(abs(row.balance_minor) for row in await trial_balance()) == 0


async def test_the_books_at_an_instant_by_date_and_by_recording() -> None:
    before = clock.now()
    await record_sale("s1", at=before - dt.timedelta(days=30))

    async def sold(at: dt.datetime, *, recorded: bool) -> int:
        rows = {row.code: row.balance_minor for row in await trial_balance(at, recorded=recorded)}
        return -int(rows[chart.LICENCES_SOLD])

    then = before - dt.timedelta(days=1)
    assert await sold(then, recorded=False) == 100, "it happened a month ago"
    assert await sold(then, recorded=True) == 0, "and nobody knew then"
    assert await sold(clock.now(), recorded=True) == 100
    assert await sold(before - dt.timedelta(days=31), recorded=False) == 0
    assert {row.heading for row in await trial_balance()} <= set(chart.HEADINGS)


async def test_the_trail_is_kept_with_its_transaction_and_is_filtered() -> None:
    ada, bob = await make_staff("Ada"), await make_staff("Bob")
    await note_action(
        ada, "thing_done", "thing 1", reason=" Because. ", before={"state": "a"}, after={"state": "b", "n": 1}
    )
    await note_action(bob.person, "other_done", "thing 2", reason="Why not?")
    await note_action(None, "thing_done", "thing 3")
    with pytest.raises(asyncpg.CheckViolationError):
        await note_action(ada, "Not A Verb", "x")
    with pytest.raises(ZeroDivisionError):
        async with transaction():
            await note_action(ada, "thing_done", "never happened")
            _ = 1 // 0

    async def found(**wanted: Any) -> list[str]:
        return [row.subject for row in (await list_actions(**wanted)).rows]

    assert await found() == ["thing 3", "thing 2", "thing 1"]
    assert await found(person=ada.person) == ["thing 1"]
    assert await found(verb="thing_done") == ["thing 3", "thing 1"]
    assert await found(text="why") == ["thing 2"]
    assert await found(until=clock.now() - dt.timedelta(days=1)) == []
    assert await found(since=clock.now() - dt.timedelta(days=1)) == await found()
    [line] = (await list_actions(person=ada.person)).rows
    assert (line.name, line.reason, line.was, line.became) == (
        "Ada",
        "Because.",
        {"state": "a"},
        {"state": "b", "n": 1},
    )
    assert await list_verbs() == ["other_done", "thing_done"]
    assert [name for _, name in await list_staff()] == ["Ada", "Bob"]
    for change in ("UPDATE staff_action SET reason = ''", "DELETE FROM staff_action", "TRUNCATE staff_action CASCADE"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(change)
    assert len(await fetch("SELECT 1 FROM staff_action")) == 3
