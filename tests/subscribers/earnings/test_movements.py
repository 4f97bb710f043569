"""A page of earnings reads little, however much was ever sold, and says what the splits and manifests say."""

import datetime as dt
import os
import uuid
from collections.abc import Sequence

import numpy as np
import pytest

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_rows, transaction
from marketplace.core.settings import settings
from marketplace.core.web.formats import PARIS
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.contribution_actions import index_contributions
from marketplace.subscribers.earnings.contribution_queries import find_contributions
from marketplace.subscribers.earnings.movements import SplitRow, Splits, find_mine
from marketplace.subscribers.earnings.promises import LONG_AGO
from marketplace.subscribers.earnings.queries import (
    SQL,
    ShareRow,
    get_balance,
    get_balance_before,
    list_months,
    list_years,
)
from tests.people.builders import visiting
from tests.subscribers.builders import sales
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.s3 import bucket

DAY = dt.timedelta(days=1)
OLD_YEAR, NEW_YEAR = dt.datetime(2025, 12, 20, 12, tzinfo=PARIS), dt.datetime(2026, 1, 5, 12, tzinfo=PARIS)


@pytest.mark.long
async def test_a_page_reads_three_objects_at_most() -> None:
    with bucket() as s3:
        os.environ |= s3.environment
        settings.cache_clear()
        await sales.write_lines(range(1, 6))
        for number in range(12):
            await sales.write_sale(await sales.seal_weights({1: 3, 2: number + 1, 5: 1}), 5000 + number)
            await index_contributions()
        await hold_shares()
        assert await fetch_value("SELECT count(*) FROM contribution_segment WHERE state = 'live'") == 3
        for line in (1, 2, 3, 5):
            async with visiting(line) as browser:
                s3.asked.clear()
                answer = await browser.get("/en/earnings/shares")
                assert answer.status_code == 200
                assert ("/earnings/shares/" in answer.text) == (line != 3)
                assert s3.asked.total() == s3.asked["GET"] <= 3


@pytest.mark.parametrize("sold", [(None, None), (clock.now() - 40 * DAY, clock.now() - 15 * DAY)])
async def test_walking_the_sales_finds_the_same_shares_as_reading_those_of_the_releases(
    sold: Sequence[dt.datetime | None],
) -> None:
    await sales.write_lines(range(1, 4))
    for number in range(7):
        release = await sales.seal_weights({1: 1} if number % 3 else {2: 1, 1: 2})
        for again in range(2):
            await sales.write_sale(release, 1000, sold_at=clock.now() - (7 * number + again) * DAY, hold_days=90)
    await hold_shares()
    for line in (1, 2, 3):
        mine = await find_contributions(line)
        for limit, skipped in ((100, 0), (3, 0), (3, 3), (3, 12)):
            page = *sold, limit, skipped, LONG_AGO
            few = await fetch_column(uuid.UUID, SQL["list_sales_of_few"], mine.numbers.tolist(), *page)
            assert few == await fetch_column(uuid.UUID, SQL["list_sales"], mine.bits, *page)
            shares = await fetch_rows(ShareRow, SQL["list_shares"], few)
            assert [share.id for share in shares] == few
        every = await fetch_column(uuid.UUID, SQL["list_sales"], mine.bits, None, None, 100, 0, LONG_AGO)
        assert len(every) == 14 * (line == 1) + 6 * (line == 2)


async def test_what_moved_is_read_once_however_many_runs_there_were() -> None:
    runs = "INSERT INTO share_run (kind, at, amount_minor) SELECT 'hold', now(), 0 FROM generate_series(1, 60)"
    assert await execute(runs) == 60
    await as_owner("ANALYZE share_run, accrual")
    async with transaction():
        await execute(
            "SET LOCAL plan_cache_mode = force_generic_plan"
        )  # what the server comes to after five executions
        await execute(f"PREPARE months AS {SQL['list_months']}")
        plan = await fetch("EXPLAIN (ANALYZE) EXECUTE months (1, NULL, 12)")
        await execute("DEALLOCATE months")
    lines = [row["QUERY PLAN"] for row in plan]
    print("\n".join(lines))
    assert any("on accrual" in line for line in lines)
    assert all("loops=1)" in line for line in lines if "on accrual" in line or "on closed_share" in line), lines


async def test_a_hold_over_new_year_is_counted_once_in_each_months_column() -> None:
    with clock.shifted(OLD_YEAR - clock.now()):
        await sales.write_lines(range(1, 3))
        first, _ = [await sales.write_sale(await sales.seal_weights({1: 1}), net, fee=0) for net in (1000, 3000)]
        await hold_shares()
        held = (await get_balance(1)).held_micro
        assert held
    with clock.shifted(NEW_YEAR - clock.now()):
        await sales.refund_licence(first)
        await cancel_shares()
        left = (await get_balance(1)).held_micro
        assert 0 < left < held, "the process has read the year before, and reads it again after the run"
        months = {month.month: (month.earned_micro, month.cancelled_micro) for month in await list_months(1)}
        assert months == {dt.date(2025, 12, 1): (held, 0), dt.date(2026, 1, 1): (0, held - left)}
        assert await list_years(1) == [2026, 2025]
        new_year = dt.datetime(2026, 1, 1, tzinfo=PARIS)
        assert (await get_balance_before(1, new_year, await find_mine(1))).held_micro == held
        assert (await get_balance_before(1, OLD_YEAR - DAY, await find_mine(1))).held_micro == 0
        assert [month.month for month in await list_months(1, 2025)] == [dt.date(2025, 12, 1)]
        assert (await find_mine(2)).contributions.numbers.tolist() == []
        assert await list_years(2) == []


def test_a_share_beyond_64_bits_is_exact() -> None:
    now = clock.now()
    row = SplitRow(10**14, 0, [], 0, 0, 7, 0, 0, 1, now, now, None, None)
    splits = Splits(now.year, [row, row])
    for weight in (1, 3, 50):
        assert splits.shares(np.array([weight, 0])).tolist() == [10**18 * weight // 7, 0]
