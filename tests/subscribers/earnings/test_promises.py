"""Promised minimums are kept: out of the operator's part, exact to the millionth, cancelled by a refund, shown to each."""

import datetime as dt
import uuid
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as some

from marketplace.core import clock
from marketplace.core.database import fetch_columns
from marketplace.subscribers.earnings import rules
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.promises import list_promises
from marketplace.subscribers.earnings.queries import get_share, list_shares
from tests.subscribers.builders import sales
from tests.subscribers.builders.sales import given_back
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value

DAYS_15 = dt.timedelta(days=15)
DAY = dt.timedelta(days=1)


async def split_row(licence: uuid.UUID) -> Any:
    return await fetch_one("SELECT * FROM licence_split WHERE licence = $1", licence)


async def postings_of(licence: uuid.UUID, kind: str) -> set[tuple[str, str, int]]:
    rows = await fetch(
        """SELECT debit, credit, amount_minor FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
           WHERE source_id = $1 AND kind = $2""",
        str(licence),
        kind,
    )
    return {(row["debit"], row["credit"], row["amount_minor"]) for row in rows}


async def test_the_operators_part_keeps_a_promise_and_nobody_elses_share_moves() -> None:
    await sales.write_lines(range(1, 8))
    release = await sales.seal_weights({1: 1, 2: 2, 3: 3, 4: 4})
    plain = await sales.write_sale(release, 10_001, fee=300)
    await hold_shares()
    without = {who: (await get_share(plain, who)).share_micro for who in (1, 2, 3, 4)}
    now = clock.now()
    # One is promised more than her share, two less, five is not in the release, three nothing.
    term = await sales.promise_minimums({1: 7_000_003, 2: 1_000_000, 5: 9_000_000}, now - DAY, now + DAY)
    licence = await sales.write_sale(release, 10_001, fee=300)
    await hold_shares()
    row = await split_row(licence)
    assert row["terms"] == [term]
    assert (row["topped_up"], row["top_up_platform_minor"]) == (1, 0)
    short = 7_000_003 - without[1]
    of_pool = sum(without.values())
    owed = -(-(of_pool + short) // 10_000)
    assert row["top_up_operator_minor"] == owed - -(-of_pool // 10_000)
    got = {who: await get_share(licence, who) for who in (1, 2, 3, 4)}
    assert {who: got[who].share_micro for who in (2, 3, 4)} == {who: without[who] for who in (2, 3, 4)}
    assert got[1].share_micro == 7_000_003, "to the millionth, and nothing of anybody's rounding"
    assert got[1].pool_share_micro + got[1].added_micro == got[1].share_micro
    held = {who: micro[0] for who, micro in (await sales.balances()).items()}
    assert held == {who: without[who] + got[who].share_micro for who in (1, 2, 3, 4)}, "page and books agree"
    top = row["top_up_operator_minor"]
    assert await postings_of(licence, "shares_held") == {
        ("651000", "467100", row["pool_minor"]),
        ("651100", "467300", row["operator_minor"] - top),
        ("651100", "467100", top),
    }
    [shown] = await list_promises(1)
    assert (shown.minimum_micro, shown.code) == (7_000_003, "lyon")
    assert await list_promises(3) == []
    assert (await list_shares(1)).rows[0].share_micro == got[1].share_micro
    await sales.refund_licence(licence)
    await cancel_shares()
    assert await postings_of(licence, "shares_cancelled") == {
        ("467100", "651000", row["pool_minor"]),
        ("467300", "651100", row["operator_minor"] - top),
        ("467100", "651100", top),
    }
    assert {who: micro[0] for who, micro in (await sales.balances()).items()} == without, "the first sale's stay"
    with clock.shifted(DAYS_15):
        await sales.close_month()
        assert await sales.balances() == {who: (0, micro) for who, micro in without.items()}


async def test_a_refund_of_a_part_leaves_the_promise_whole_and_of_all_nothing() -> None:
    await sales.write_lines()
    now, release = clock.now(), await sales.seal_weights({1: 1, 2: 1})
    await sales.promise_minimums({1: 30_000_000}, now - DAY, now + DAY)
    licence = await sales.write_sale(release, 10_000, fee=0)
    await hold_shares()
    row = await split_row(licence)
    assert (row["top_up_operator_minor"], row["top_up_platform_minor"]) == (500, 0)
    for refunded in (0, 2_500, 9_999):
        if refunded:
            await given_back(licence, refunded)
            assert (await cancel_shares(), await hold_shares()) == (0, 0)
        held = {who: micro[0] for who, micro in (await sales.balances()).items() if micro[0]}
        assert held == {1: 30_000_000, 2: 25_000_000}, refunded
    await given_back(licence, 10_000)
    assert await cancel_shares() == 1
    assert await hold_shares() == 0
    with clock.shifted(DAYS_15):
        await sales.close_month()
        assert not any(any(micro) for micro in (await sales.balances()).values()), "nothing was sold in the end"


async def test_a_promise_holds_for_prices_signed_while_it_is_in_force() -> None:
    await sales.write_lines()
    now, release = clock.now(), await sales.seal_weights({1: 1, 2: 1})
    await sales.promise_minimums({1: 60_000_000}, now - sales.MONTH, now)
    inside = await sales.write_sale(release, 10_000, fee=0, sold_at=now - DAY)
    at_its_end = await sales.write_sale(release, 10_000, fee=0, sold_at=now)
    await hold_shares()
    assert (await get_share(inside, 1)).share_micro == 60_000_000
    assert (await get_share(inside, 1)).promised_micro == 60_000_000
    assert (await get_share(inside, 2)).share_micro == 25_000_000
    assert (await get_share(at_its_end, 1)).share_micro == 25_000_000
    assert (await get_share(at_its_end, 1)).promised_micro == 0
    assert (await split_row(inside))["top_up_operator_minor"] == 3_500
    with clock.shifted(DAYS_15):
        await sales.close_month()
        assert await sales.balances() == {1: (0, 85_000_000), 2: (0, 50_000_000)}


async def test_where_the_operators_part_is_spent_the_platform_keeps_the_word() -> None:
    await sales.write_lines()
    now, release = clock.now(), await sales.seal_weights({1: 1, 2: 1})
    await sales.promise_minimums({1: 3_000_000}, now - DAY, now + DAY)
    await sales.promise_minimums({1: 4_000_000, 2: 1}, now - DAY, now + DAY)
    small = await sales.write_sale(release, 200, fee=0)
    nothing = await sales.write_sale(release, 20, fee=25)
    await hold_shares()
    row = await split_row(small)
    assert (row["pool_minor"], row["operator_minor"], row["platform_minor"]) == (100, 70, 30)
    assert (row["top_up_operator_minor"], row["top_up_platform_minor"]) == (70, 280), "the larger of two promises"
    assert await postings_of(small, "shares_held") == {
        ("651000", "467100", 100 + 280),
        ("651100", "467100", 70),
    }
    row = await split_row(nothing)
    assert (row["pool_minor"], row["top_up_platform_minor"], row["topped_up"]) == (10, 388, 1)
    both = [(await get_share(nothing, who)).share_micro for who in (1, 2)]
    assert both == [4_000_000, 50_000]
    with clock.shifted(DAYS_15):
        await sales.refund_licence(small)
        await cancel_shares()
        await sales.close_month()
        assert {who: micro[1] for who, micro in (await sales.balances()).items()} == dict(
            zip((1, 2), both, strict=True)
        )


async def test_promises_to_thousands_are_exact_over_several_licences() -> None:
    people = range(1, 3001)
    await sales.write_lines(people)
    first = await sales.seal_weights({who: who % 7 + 1 for who in people})
    second = await sales.seal_weights({who: who % 3 + 1 for who in people if who % 2})
    now = clock.now()
    promises = {who: 1_000 * (who % 97 + 1) for who in people if who % 5 == 0}
    await sales.promise_minimums(promises, now - DAY, now + DAY)
    licences = [
        await sales.write_sale(release, 9_973 + number) for number, release in enumerate((first, second, first))
    ]
    assert await hold_shares() == 3
    rows = await fetch("SELECT * FROM licence_split")
    assert all(row["topped_up"] > 100 for row in rows)
    held = {who: micro[0] for who, micro in (await sales.balances()).items()}
    assert sum(held.values()) == sum(row["shares_micro"] for row in rows)
    for who in (5, 10, 15, 1000, 1001, 2995, 3000):
        mine = [row.share_micro for row in (await list_shares(who)).rows]
        assert sum(mine) == held[who]
        assert min(mine) >= promises.get(who, 0)
        assert len(mine) == (3 if who % 2 else 2)
    del licences
    with clock.shifted(DAYS_15):
        assert await sales.close_month() == 3
        assert await sales.balances() == {who: (0, micro) for who, micro in held.items()}


async def test_columns_come_out_as_they_went_in() -> None:
    assert await fetch_columns("SELECT 1::bigint WHERE false") == []
    columns = await fetch_columns("SELECT n::bigint, -n FROM generate_series(1, $1::bigint) AS n", 100_000)
    assert [int(column.sum()) for column in columns] == [5_000_050_000, -5_000_050_000]
    assert columns[0].tolist() == list(range(1, 100_001))


async def test_what_was_promised_is_never_edited() -> None:
    await sales.write_lines()
    now = clock.now()
    await sales.promise_minimums({1: 1}, now - DAY, now)
    for statement in (
        "UPDATE contributor_promise SET minimum_micro = 2",
        "DELETE FROM contributor_promise",
        "UPDATE contributor_term SET promised_minor = 0",
        "DELETE FROM contributor_term",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(statement)
    assert await fetch_value("SELECT count(*) FROM contributor_promise") == 1


@given(some.integers(0, 10**9), some.integers(0, 10**9))
def test_who_tops_up(top_up: int, operator: int) -> None:
    from_operator, from_platform = rules.who_tops_up(top_up, operator)
    assert from_operator + from_platform == top_up
    assert 0 <= from_operator <= operator
    assert from_platform == 0 or from_operator == operator


async def test_what_a_private_price_took_off_the_operators_part_the_platform_adds_to_a_promise() -> None:
    """The people's pool is of the posted price; the operator has nothing left to keep its promise from."""
    await sales.write_lines()
    now, release = clock.now(), await sales.seal_weights({1: 1, 2: 1})
    await sales.promise_minimums({1: 30_000_000}, now - DAY, now + DAY)
    licence = await sales.write_sale(release, 6_500, posted=10_000, fee=100)
    await hold_shares()
    row = await split_row(licence)
    assert (row["pool_minor"], row["operator_minor"], row["platform_minor"]) == (5_000, 0, 1_400)
    assert (row["top_up_operator_minor"], row["top_up_platform_minor"]) == (0, 500)
    assert {who: micro[0] for who, micro in (await sales.balances()).items()} == {1: 30_000_000, 2: 25_000_000}
