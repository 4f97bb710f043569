"""A month's close: what was held becomes the subscribers', once, to the millionth; killed, raced or refunded meanwhile."""

import asyncio
import datetime as dt
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import asyncpg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.datasets.builds.manifest_file import write_manifest
from marketplace.money.ledger.chart import LOSSES, OPERATOR_PAYABLE
from marketplace.money.ledger.queries import balance
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.earnings.queries import get_balance, get_share
from tests.subscribers.builders import sales
from tests.subscribers.builders.sales import given_back, state_dispute
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value

PEOPLE = {1: 3, 2: 3, 3: 2, 4: 1}
MARCH = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
"""A sale now is held until 24 March."""
APRIL = dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC)
"""The end of March in Paris."""
MAY = dt.datetime(2026, 4, 30, 22, tzinfo=dt.UTC)


async def some_sales(*nets: int, people: dict[int, int] | None = None) -> list[uuid.UUID]:
    """Sell releases of these people in March, one a sale, and hold their shares; return the licences."""
    with clock.started_at(MARCH):
        if not await fetch_value("SELECT count(*) FROM dataset"):
            await sales.write_lines()
        releases = [await sales.seal_weights(people or PEOPLE, rows_a_group=3) for _ in nets]
        licences = [await sales.write_sale(release, net, fee=318) for release, net in zip(releases, nets, strict=True)]
        assert await hold_shares() == len(nets)
    return licences


async def closed_shares() -> list[tuple[object, ...]]:
    return [
        tuple(row) for row in await fetch("SELECT close, subscriber, payable_micro FROM closed_share ORDER BY 1, 2")
    ]


async def closing() -> list[tuple[object, ...]]:
    parts = [row["name"] for row in await fetch("SELECT name FROM closing_parts()")]
    selects = [f"SELECT close, subscriber, payable_micro FROM {part}" for part in parts]
    return [tuple(row) for row in await fetch(" UNION ALL ".join(selects) + " ORDER BY 1, 2")]


async def test_what_was_held_becomes_theirs_when_its_month_is_over() -> None:
    (licence,) = await some_sales(10_001)
    held = await sales.balances()
    assert all(mine[0] > 0 and mine[1] == 0 for mine in held.values())
    operator = await balance(OPERATOR_PAYABLE)
    with clock.started_at(APRIL - dt.timedelta(seconds=10)):
        assert await close_months() == 0, "the hold is over, and the month is not"
        assert await sales.balances() == held
    with clock.started_at(APRIL):
        assert await close_months() == 1
        assert await close_months() == 0
        assert await sales.balances() == {who: (0, mine[0]) for who, mine in held.items()}
        assert (await get_share(licence, 4)).state == "released"
        assert (await get_share(licence, 4)).share_micro == held[4][0]
    split = await fetch_one("SELECT shares_micro, rounding_micro FROM licence_split")
    close = await fetch_one("SELECT * FROM share_close")
    assert split
    assert close
    assert (close["month"], close["people"]) == (dt.date(2026, 3, 1), 4)
    assert (close["shares_micro"], close["carry_micro"]) == (split["shares_micro"], split["rounding_micro"])
    assert await balance(OPERATOR_PAYABLE) == operator, "less than a cent is carried"


async def test_one_row_a_person_and_rounding_is_returned_in_whole_cents() -> None:
    await some_sales(10_001, 4_444, 777_777, 98_765, 12_121)
    await some_sales(5_005, people={2: 5, 5: 1})
    held = await sales.balances()
    operator = await balance(OPERATOR_PAYABLE)
    rounding = await fetch_value("SELECT sum(rounding_micro)::bigint FROM licence_split")
    with clock.started_at(APRIL):
        assert await close_months(lines_a_chunk=2) == 6
    assert [(who, mine) for _, who, mine in await closed_shares()] == [
        (who, mine[0]) for who, mine in sorted(held.items())
    ]
    assert await sales.balances() == {who: (0, mine[0]) for who, mine in held.items()}
    returned, carry = divmod(rounding, 10_000)
    assert tuple(await fetch_one("SELECT returned_minor, carry_micro FROM share_close") or ()) == (returned, carry)
    assert await balance(OPERATOR_PAYABLE) == operator - returned
    with clock.started_at(APRIL + dt.timedelta(days=1)):
        for net in (1_001, 2_002, 3_003):
            await sales.write_sale(await sales.seal_weights(PEOPLE), net, fee=1)
        await hold_shares()
    more = await fetch_value("SELECT sum(rounding_micro)::bigint FROM licence_split WHERE state = 'held'")
    with clock.started_at(MAY):
        assert await close_months() == 3
    last = await fetch_one("SELECT returned_minor, carry_micro FROM share_close ORDER BY month DESC LIMIT 1")
    assert tuple(last or ()) == divmod(carry + more, 10_000), "what one close carries the next one returns"
    await sales.balances()


async def test_a_close_of_several_parts_is_one_of_which_each_part_is_append_only() -> None:
    await some_sales(10_000, people={1: 3, 2: 1, 5: 2})
    await execute("INSERT INTO subscriber (reference) VALUES (12)")
    held = await sales.balances()
    with clock.started_at(APRIL):
        assert await close_months(lines_a_chunk=1, chunks_a_part=2) == 1
    assert [(who, mine) for _, who, mine in await closed_shares()] == [(who, held[who][0]) for who in (1, 2, 5)]
    leaves = await fetch("SELECT relid::text AS name FROM pg_partition_tree('closed_share') WHERE isleaf ORDER BY 1")
    numbers = [row["name"].rpartition("_")[2] for row in leaves]
    assert numbers == ["1", "3"], "the second part, of people without money, is gone"
    for row in leaves:
        with pytest.raises(asyncpg.RestrictViolationError):
            await as_owner(f"TRUNCATE {row['name']}")
    with clock.started_at(MARCH + dt.timedelta(days=31)):
        await sales.write_sale(await sales.seal_weights(PEOPLE), 1_000)
        await hold_shares()
    with clock.started_at(MAY):
        assert await close_months(lines_a_chunk=1, chunks_a_part=2) == 1, "the next month begins with its first part"
    await sales.balances()


@pytest.mark.parametrize("lines", [range(1, 13), [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]])
async def test_a_manifest_with_a_row_a_line_pays_those_who_are_in_it(lines: Sequence[int], tmp_path: Path) -> None:
    """As a build writes it where most lines are in a release: 5, without a line or promised money, is not, and gets none."""
    in_it = {1: 3, 2: 1, 3: 2, 4: 5, 6: 1, 7: 2, 8: 2, 9: 12, 11: 1}
    with clock.started_at(MARCH):
        await sales.write_lines(lines)
        if 5 in lines:
            await sales.promise_minimums(
                {5: 90_000_000, 9: 90_000_000}, MARCH - dt.timedelta(days=1), MARCH + dt.timedelta(days=1)
            )
        release = await sales.seal_weights(in_it)
        columns = {"reference": np.array(list(in_it)), "weight": np.array(list(in_it.values()))}
        path = write_manifest(pa.table(columns), tmp_path / "manifest")
        assert pq.read_metadata(path).num_rows == 11
        await object_store.put(object_store.private_key(release, "manifest.parquet"), path)
        for net in (10_001, 777_777):
            await sales.write_sale(release, net, fee=1)
        assert await hold_shares() == 2
    held = await sales.balances()
    assert {who for who, mine in held.items() if mine[0]} == set(in_it)
    with clock.started_at(APRIL):
        assert await close_months(lines_a_chunk=4, chunks_a_part=2) == 2
    assert [(who, mine) for _, who, mine in await closed_shares()] == [(who, held[who][0]) for who in in_it]
    await sales.balances()


async def test_a_claim_delays_its_licence_and_no_other() -> None:
    disputed, plain = await some_sales(10_000, 20_000)
    with clock.started_at(APRIL):
        await state_dispute(disputed, "open", 10_000)
        assert await close_months() == 1
        assert await fetch_value("SELECT state FROM licence_split WHERE licence = $1", plain) == "released"
        await state_dispute(disputed, "won", 10_000)
        assert await close_months() == 0, "a month closes once"
    with clock.started_at(MAY):
        assert await close_months() == 1
    assert await fetch_value("SELECT count(*) FROM licence_split WHERE state = 'released'") == 2
    await sales.balances()


async def test_a_hold_that_ends_after_the_month_waits_for_the_next() -> None:
    await some_sales(10_000)
    with clock.started_at(MARCH + dt.timedelta(days=10)):
        later = await sales.write_sale(await sales.seal_weights(PEOPLE), 20_000)
        await hold_shares()
    with clock.started_at(APRIL):
        assert await close_months() == 1
        assert await fetch_value("SELECT state FROM licence_split WHERE licence = $1", later) == "held"
    with clock.started_at(MAY):
        assert await close_months() == 1


async def test_months_without_anything_are_closed_too() -> None:
    await some_sales(10_000)
    with clock.started_at(MAY + dt.timedelta(days=70)):
        assert await close_months() == 1
    months = [row["month"].month for row in await fetch("SELECT month FROM share_close ORDER BY month")]
    assert months == [3, 4, 5, 6]
    assert len({row[0] for row in await closed_shares()}) == 1


async def stop_on_the_way() -> None:
    """Begin March's close, and have it stop before its last chunk: a manifest names a line that is not there yet."""
    with clock.started_at(APRIL), pytest.raises(Conflict, match="a line that there is not"):
        await close_months(lines_a_chunk=2)
    assert await closing(), "parts are written"
    assert await fetch_value("SELECT run IS NULL FROM share_close")


async def test_a_close_that_stopped_counts_for_nobody_and_goes_on_where_it_was() -> None:
    await some_sales(10_000, people={1: 1, 2: 5, 4711: 1})
    await stop_on_the_way()
    written = await closing()
    with clock.started_at(APRIL):
        balance_of_one = await get_balance(1)
        assert balance_of_one.payable_micro == 0
        assert balance_of_one.held_micro == written[0][2]
        await execute("INSERT INTO subscriber (reference) VALUES (4711)")
        assert await close_months(lines_a_chunk=2) == 1
        assert (await closed_shares())[: len(written)] == written
        assert (await get_balance(1)).payable_micro == written[0][2]
    await sales.balances()


@pytest.mark.parametrize("amount", [10_000, 4_000])
async def test_what_is_refunded_while_a_close_runs_is_a_loss_as_after_it(amount: int) -> None:
    (licence,) = await some_sales(10_000, people={1: 1, 2: 5, 4711: 1})
    await stop_on_the_way()
    with clock.started_at(APRIL):
        await given_back(licence, amount)
        assert await cancel_shares() == 0, "what is being released is not cancelled"
        await execute("INSERT INTO subscriber (reference) VALUES (4711)")
        assert await close_months() == 1
        mine = await sales.balances()
        assert await cancel_shares() == 0
        assert await sales.balances() == mine, "what is theirs stays theirs"
        assert await balance(LOSSES) > 0


async def test_what_is_refunded_in_part_before_the_close_is_theirs_all_the_same() -> None:
    (licence,) = await some_sales(10_000)
    held = await sales.balances()
    with clock.started_at(APRIL):
        await given_back(licence, 4_000)
        assert await cancel_shares() == 0
        assert await close_months() == 1
    assert await sales.balances() == {who: (0, mine[0]) for who, mine in held.items()}


async def test_racing_closes_close_once() -> None:
    await some_sales(10_000, 20_000)
    held = await sales.balances()
    with clock.started_at(APRIL):
        counts = await asyncio.gather(*[close_months(lines_a_chunk=1) for _ in range(4)], cancel_shares())
    assert sum(counts) == 2
    assert await sales.balances() == {who: (0, mine[0]) for who, mine in held.items()}


@pytest.mark.deep
async def test_racing_processes_close_once(database_url: str) -> None:
    await some_sales(10_000, 20_000)
    held = await sales.balances()
    program = """
import asyncio, datetime as dt, sys
from marketplace.core import clock, database
from marketplace.subscribers.earnings.month_close import close_months
async def whole():
    await database.open_pool(sys.argv[1], size=4)
    with clock.started_at(dt.datetime(2026, 3, 31, 22, tzinfo=dt.UTC)):
        print(await close_months(lines_a_chunk=1))
    await database.close_pool()
asyncio.run(whole())
"""
    command = [sys.executable, "-c", program, database_url]
    started = [await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(3)]
    printed = [(await one.communicate())[0].decode() for one in started]
    assert sum(map(int, printed)) == 2, printed
    assert await sales.balances() == {who: (0, mine[0]) for who, mine in held.items()}


async def test_the_database_lets_a_close_go_forward_only_and_one_at_a_time() -> None:
    await some_sales(10_000, people={1: 1, 2: 5, 4711: 1})
    await stop_on_the_way()
    for statement in (
        "UPDATE share_close SET next_reference = 0",
        "UPDATE share_close SET month = '2026-04-01'",
        "DELETE FROM share_close",
    ):
        with pytest.raises(asyncpg.RestrictViolationError):
            await execute(statement)
    for statement in (
        "INSERT INTO share_close (month, begun_at) VALUES ('2026-04-01', now())",
        "INSERT INTO share_close (month, begun_at) VALUES ('2026-03-01', now())",
    ):
        with pytest.raises(asyncpg.UniqueViolationError):
            await execute(statement)
    await execute("INSERT INTO subscriber (reference) VALUES (4711)")
    with clock.started_at(APRIL):
        assert await close_months() == 1
    for table in ("closed_share", await fetch_value("SELECT max(tableoid::regclass::text) FROM closed_share")):
        for statement in (f"UPDATE {table} SET payable_micro = 1", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.RestrictViolationError):
                await as_owner(statement)
        with pytest.raises(asyncpg.UniqueViolationError):
            await as_owner(f"INSERT INTO {table} SELECT * FROM {table}")
    with pytest.raises(asyncpg.RestrictViolationError):
        await execute("UPDATE share_close SET people = people + 1")
