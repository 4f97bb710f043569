"""The books: once, in balance, never edited."""

import asyncio
import datetime as dt

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Invalid, NotFound
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, fold_day_sums, record, record_all
from marketplace.money.ledger.queries import (
    balance,
    get_account,
    get_entry,
    list_entries,
    list_entries_of,
    list_kinds,
    trial_balance,
)
from tests.support.owner import as_owner
from tests.support.reads import fetch_value
from tests.support.waiting import until_blocked

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
SALE = [(chart.PARTNERS, chart.LICENCES_SOLD, 1000), (chart.PARTNERS, chart.VAT_COLLECTED, 200)]


async def test_a_fact_is_recorded_once() -> None:
    assert await record("sale", "o1", at=NOON, text="Sale", postings=SALE)
    assert not await record("sale", "o1", at=NOON, text="Sale", postings=SALE)
    assert await record("sale_back", "o1", at=NOON, text="Back", postings=[(d, c, n) for c, d, n in SALE])
    assert await fetch_value("SELECT count(*) FROM posting") == 4
    assert await balance(chart.PARTNERS) == 0


async def test_sums_of_days_are_folded_and_say_the_same() -> None:
    for number in range(3):
        at = NOON + dt.timedelta(days=number // 2)
        await record("sale", f"o{number}", at=at, text="Sale", postings=SALE)
    before = await trial_balance()
    assert await fetch_value("SELECT count(*) FROM day_sum") == 9
    assert await fold_day_sums() == 3
    assert await fold_day_sums() == 0
    assert await fetch_value("SELECT count(*) FROM day_sum") == 6
    assert await trial_balance() == before
    assert await balance(chart.PARTNERS) == 3600
    assert await balance(chart.PARTNERS, NOON + dt.timedelta(hours=1)) == 2400


async def test_two_at_once_record_one_fact() -> None:
    async def one() -> bool:
        async with transaction():
            new = await record("sale", "o1", at=NOON, text="Sale", postings=SALE)
            if new:
                await until_blocked(2)
            return new

    assert sorted(await asyncio.gather(one(), one(), one())) == [False, False, True]
    assert await balance(chart.PARTNERS) == 1200


async def test_an_entry_joins_its_callers_transaction() -> None:
    async def interrupted() -> None:
        async with transaction():
            await record("sale", "o1", at=NOON, text="Sale", postings=SALE)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await interrupted()
    assert await fetch_value("SELECT count(*) FROM journal_entry") == 0


async def test_zero_is_dropped_negative_and_nothing_are_refused() -> None:
    await record("sale", "o1", at=NOON, text="", postings=[*SALE, (chart.STRIPE, chart.PARTNERS, 0)])
    assert await fetch_value("SELECT count(*) FROM posting") == 2
    with pytest.raises(Invalid, match="negative"):
        await record("sale", "o2", at=NOON, text="", postings=[(chart.STRIPE, chart.PARTNERS, -1)])
    with pytest.raises(Invalid, match="moves nothing"):
        await record("sale", "o3", at=NOON, text="", postings=[(chart.STRIPE, chart.PARTNERS, 0)])
    with pytest.raises(asyncpg.CheckViolationError):
        await record("fact", "o4", at=NOON, text="", postings=[(chart.STRIPE, chart.STRIPE, 1)])
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await record("fact", "o5", at=NOON, text="", postings=[("999", chart.STRIPE, 1)])
    assert await fetch_value("SELECT count(*) FROM journal_entry") == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE posting SET amount_minor = amount_minor + 1",
        "DELETE FROM posting",
        "TRUNCATE posting",
        "UPDATE journal_entry SET text = ''",
        "DELETE FROM journal_entry",
        "TRUNCATE journal_entry CASCADE",
    ],
)
async def test_the_books_are_append_only(statement: str) -> None:
    await record("sale", "o1", at=NOON, text="Sale", postings=SALE)
    with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
        await as_owner(statement)
    assert await balance(chart.LICENCES_SOLD) == -1000


async def test_balances_at_an_instant() -> None:
    await record("sale", "o1", at=NOON, text="", postings=SALE)
    await record("sale", "o2", at=NOON + dt.timedelta(days=1), text="", postings=SALE)
    assert await balance(chart.PARTNERS, NOON - dt.timedelta(microseconds=1)) == 0
    assert await balance(chart.PARTNERS, NOON) == 1200
    assert await balance(chart.PARTNERS) == 2400
    then = {row.code: row for row in await trial_balance(NOON)}
    assert (then[chart.PARTNERS].debit_minor, then[chart.VAT_COLLECTED].credit_minor) == (1200, 200)
    assert then[chart.TRANSFERS].balance_minor == 0
    assert (await get_account(chart.PARTNERS)).title_fr == "Clients – partenaires"
    with pytest.raises(NotFound):
        await get_account("000")


ACCOUNTS = st.sampled_from([chart.PARTNERS, chart.VAT_COLLECTED, chart.TRANSFERS, chart.LOSSES, chart.LICENCES_SOLD])
"""Those that no invariant ties to something else."""
POSTING = st.tuples(ACCOUNTS, ACCOUNTS, st.integers(1, 10**12)).filter(lambda posting: posting[0] != posting[1])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 9), st.lists(POSTING, min_size=1, max_size=4)), max_size=6), st.integers(0, 9))
async def test_the_trial_balance_is_always_zero(facts: list[tuple[int, list[tuple[str, str, int]]]], day: int) -> None:
    offset = await fetch_value("SELECT count(*) FROM journal_entry")
    await record_all(
        [
            Entry("any", str(offset + n), NOON + dt.timedelta(days=after), "", postings)
            for n, (after, postings) in enumerate(facts)
        ]
    )
    rows = await trial_balance(NOON + dt.timedelta(days=day))
    assert sum(row.debit_minor for row in rows) == sum(row.credit_minor for row in rows)
    assert sum(row.balance_minor for row in rows) == 0
    assert all([row.balance_minor == await balance(row.code, NOON + dt.timedelta(days=day)) for row in rows])


async def test_the_journal_is_paged_and_filtered() -> None:
    await record_all([Entry("sale", f"o{n}", NOON + dt.timedelta(hours=n), f"Sale {n}", SALE) for n in range(30)])
    await record("loss", "l1", at=NOON, text="Loss", postings=[(chart.LOSSES, chart.TRANSFERS, 7)])
    first, second = await list_entries(1), await list_entries(2)
    assert (len(first.rows), first.more, len(second.rows), second.more) == (25, True, 6, False)
    assert first.rows[0].source_id == "o29"
    assert first.rows[0].debit_minor == first.rows[0].credit_minor == 1200
    losses = await list_entries(account=chart.LOSSES)
    assert [(row.source_id, row.debit_minor, row.credit_minor) for row in losses.rows] == [("l1", 7, 0)]
    assert [row.kind for row in (await list_entries(kind="loss")).rows] == ["loss"]
    day = await list_entries(since=NOON + dt.timedelta(hours=28), until=NOON + dt.timedelta(hours=29))
    assert [row.source_id for row in day.rows] == ["o28"]
    assert await list_kinds() == ["loss", "sale"]
    entry = await get_entry(losses.rows[0].id)
    assert [(p.debit, p.credit, p.amount_minor) for p in entry.postings] == [("654000", "580000", 7)]
    assert [row.source_id for row in await list_entries_of([("sale", "o3"), ("sale", "absent")])] == ["o3"]
    with pytest.raises(NotFound):
        await get_entry(10**30)
    assert entry.entry.recorded_at <= clock.now()
