"""A database that the version before wrote: what it held and released is paid as it was, and counts once.

Its schema is the frozen first migration's, and its rows of shares are written here as that version wrote them: exact
splits, a row a person and run.
"""

from __future__ import annotations

import datetime as dt
import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg
import numpy as np

from marketplace import clock, invariants
from marketplace.database import copy_in, execute
from marketplace.datasets.queries import manifest
from marketplace.earnings.month_close import close_months
from marketplace.earnings.queries import get_balance, get_share
from marketplace.earnings.rules import MICRO_PER_MINOR, divide
from marketplace.earnings.statements import get_year
from marketplace.ledger import chart
from marketplace.ledger.actions import record
from migrations.generate import INITIAL
from migrations.history import m0001_initial
from migrations.runner import migrate
from pricing.promises import NOTHING, TopUp, top_up, topped_up
from pricing.revenue_share import Split, shares, split_pool
from tests.marketplace.earnings import sales
from tests.support.reads import fetch, fetch_one, fetch_value
from tests.test_migrations import in_database, in_new_database

if TYPE_CHECKING:
    import uuid

    from numpy.typing import NDArray

    from marketplace.embedded.postgres import EmbeddedPostgres

MARCH = dt.datetime(2026, 3, 10, 12, tzinfo=dt.UTC)
APRIL = dt.datetime(2026, 4, 2, tzinfo=dt.UTC)
PROMISED = {1: 30_000_000, 5: 1}
FEE = 318


class Sold(NamedTuple):
    """Licences sold before: one to be held, one released, one refunded, one refunded in part and divided anew."""

    held: uuid.UUID
    released: uuid.UUID
    refunded: uuid.UUID
    halved: uuid.UUID


class Exact(NamedTuple):
    """How the version before divided a licence."""

    licence: uuid.UUID
    returned: int
    generation: int
    division: Any
    split: Split
    added: TopUp
    references: NDArray[np.int64]
    earned: NDArray[np.int64]

    @property
    def owed(self) -> int:
        return (self.split.pool + self.added.amount) // MICRO_PER_MINOR


async def make_sales() -> Sold:
    """Sell the licences, by what has not changed since."""
    with clock.started_at(MARCH):
        await sales.open_shop()
        first, second = await sales.make_release({1: 3, 2: 3, 4: 1}), await sales.make_release({1: 1, 3: 2, 5: 4})
        await sales.promise(PROMISED, MARCH - dt.timedelta(days=1), MARCH + dt.timedelta(hours=1))
        sold = [await sales.make_sale(first, net, fee=FEE) for net in (10_001, 7_777)]
        sold += [await sales.make_sale(second, net, fee=FEE) for net in (9_000, 20_000)]
        await sales.refund(sold[2])
        await sales.refund_part(sold[3], 5_000)
        return Sold(*sold)


async def copy_former_schema(url: str) -> None:
    """Make the tables of the version before here, with their rows of the database at `url`."""
    await execute(INITIAL.read_text())
    there = await asyncpg.connect(url)
    for table in re.findall(r'CREATE TABLE "(\w+)"', INITIAL.read_text()):
        columns = [
            row["column_name"]
            for row in await fetch(
                "SELECT column_name FROM information_schema.columns WHERE table_name = $1 AND table_schema = 'public'",
                table,
            )
        ]
        named = ", ".join(f'"{column}"' for column in columns)
        rows = [tuple(row) for row in await there.fetch(f'SELECT {named} FROM "{table}"')]
        await copy_in(table, columns, rows)
        if rows and "id" in columns and await fetch_value("SELECT pg_get_serial_sequence($1, 'id') IS NOT NULL", table):
            await fetch_value(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM \"{table}\"")
    await there.close()
    await execute(
        "CREATE TABLE migration (id SERIAL PRIMARY KEY, name TEXT, app_name TEXT, ran_on TIMESTAMP DEFAULT now())"
    )
    await execute("INSERT INTO migration (name, app_name) VALUES ($1, 'partage')", m0001_initial.ID)


async def divided(licence: uuid.UUID, *, returned: int = 0, generation: int = 0) -> Exact:
    """Divide a licence as the version before did."""
    row = await fetch_one("SELECT release, net_minor FROM licence WHERE id = $1", licence)
    assert row
    division = divide(row["net_minor"] - returned, FEE, sales.RATES)
    known = await manifest(row["release"])
    split = split_pool(division.pool_minor * MICRO_PER_MINOR, known.weights)
    mine = shares(split, known.weights)
    promised = np.array([PROMISED.get(who, 0) for who in known.references.tolist()], np.int64)
    added = top_up(mine, promised, MICRO_PER_MINOR) if promised.any() else NOTHING
    earned = mine + topped_up(added, mine, promised) if added.people else mine
    return Exact(licence, returned, generation, division, split, added, known.references, earned)


async def run_of(kind: str, made: list[Exact], at: dt.datetime, *, held: int, payable: int) -> int:
    """Write a run and what it moved for each person, once for all its licences."""
    people: dict[int, int] = {}
    for one in made:
        for who, micro in zip(one.references.tolist(), one.earned.tolist(), strict=True):
            people[who] = people.get(who, 0) + micro
    run: int = await fetch_value(
        "INSERT INTO share_run (kind, at, amount_minor, people) VALUES ($1, $2, $3, $4) RETURNING id",
        kind,
        at,
        sum(one.owed for one in made),
        len(people),
    )
    rows = [(run, who, micro * held, micro * payable) for who, micro in people.items()]
    await copy_in("accrual", ("run", "subscriber", "held_micro", "payable_micro"), rows)
    return run


async def hold(made: list[Exact], at: dt.datetime) -> None:
    run = await run_of("hold", made, at, held=1, payable=0)
    for one in made:
        division, split, added = one.division, one.split, one.added
        from_operator = min(added.amount // MICRO_PER_MINOR, division.operator_minor)
        from_platform = added.amount // MICRO_PER_MINOR - from_operator
        await execute(
            """INSERT INTO licence_split (licence, fee_minor, distributable_minor, pool_minor, operator_minor, platform_minor,
                   people, total_weight, cutoff_remainder, cutoff_position, terms, top_up_operator_minor,
                   top_up_platform_minor, topped_up, top_up_each_micro, top_up_position, generation, returned_minor, state,
                   held_by, split_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, array(SELECT id FROM contributor_term), $11, $12, $13, $14,
                   $15, $16, $17, 'held', $18, $19)""",
            one.licence,
            division.fee_minor,
            division.distributable_minor,
            division.pool_minor,
            division.operator_minor,
            division.platform_minor,
            len(one.references),
            split.total_weight,
            split.cutoff_remainder,
            split.cutoff_position,
            from_operator,
            from_platform,
            added.people,
            added.each,
            added.cutoff_position,
            one.generation,
            one.returned,
            run,
            at,
        )
        postings = [
            (chart.SUBSCRIBERS_SHARES, chart.SUBSCRIBERS_HELD, division.pool_minor + from_platform),
            (chart.OPERATOR_SHARE, chart.OPERATOR_PAYABLE, division.operator_minor - from_operator),
            (chart.OPERATOR_SHARE, chart.SUBSCRIBERS_HELD, from_operator),
        ]
        name = f"{one.licence}/{one.generation}" if one.generation else str(one.licence)
        await record("shares_held", name, at=at, text="Held", postings=postings)


async def end(one: Exact, state: str, at: dt.datetime) -> None:
    released = state == "released"
    run = await run_of("release" if released else "cancel", [one], at, held=-1, payable=int(released))
    await execute("UPDATE licence_split SET state = $2, ended_by = $3 WHERE licence = $1", one.licence, state, run)
    row = await fetch_one("SELECT * FROM licence_split WHERE licence = $1", one.licence)
    assert row
    if released:
        postings = [(chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_PAYABLE, one.owed)]
    else:
        from_operator = row["top_up_operator_minor"]
        postings = [
            (chart.SUBSCRIBERS_HELD, chart.SUBSCRIBERS_SHARES, one.owed - from_operator),
            (chart.SUBSCRIBERS_HELD, chart.OPERATOR_SHARE, from_operator),
            (chart.OPERATOR_PAYABLE, chart.OPERATOR_SHARE, row["operator_minor"] - from_operator),
        ]
    await record(f"shares_{state}", one.licence, at=at, text=state, postings=postings)


async def retire(one: Exact) -> None:
    await execute(
        """WITH gone AS (DELETE FROM licence_split WHERE licence = $1 RETURNING *)
           INSERT INTO former_split (licence, generation, pool_minor, operator_minor, top_up_operator_minor,
               top_up_platform_minor, returned_minor, held_by, ended_by, split_at)
           SELECT licence, generation, pool_minor, operator_minor, top_up_operator_minor, top_up_platform_minor,
               returned_minor, held_by, ended_by, split_at FROM gone""",
        one.licence,
    )


async def live_as_before(licences: Sold) -> None:
    """Hold, release, cancel and divide anew, as the version before did."""
    held, released, refunded, halved = [await divided(licence) for licence in licences]
    await hold([held, released], MARCH)
    await hold([refunded, halved], MARCH + dt.timedelta(hours=1))
    await end(refunded, "cancelled", MARCH + dt.timedelta(days=1))
    await end(halved, "cancelled", MARCH + dt.timedelta(days=2))
    await retire(halved)
    await hold([await divided(licences.halved, returned=5_000, generation=1)], MARCH + dt.timedelta(days=2))
    await end(released, "released", MARCH + dt.timedelta(days=15))


async def what_follows(url: str, licences: Sold) -> None:
    await copy_former_schema(url)
    with clock.started_at(MARCH + dt.timedelta(days=15)):
        await live_as_before(licences)
    before = {
        row["subscriber"]: (row["held"], row["payable"])
        for row in await fetch(
            """SELECT subscriber, sum(held_micro)::bigint AS held, sum(payable_micro)::bigint AS payable
               FROM accrual GROUP BY 1"""
        )
    }
    theirs = await fetch(
        "SELECT subscriber, payable_micro FROM accrual JOIN share_run ON share_run.id = run WHERE kind = 'release'"
    )
    assert all(held > 0 for held, _ in before.values())
    assert await migrate()
    with clock.started_at(MARCH + dt.timedelta(days=16)):
        for who, (held, payable) in before.items():
            shown = await get_balance(who)
            assert (shown.held_micro, shown.payable_micro) == (held, payable), "nothing has moved"
        assert await invariants.broken() == []
    for row in theirs:
        assert (await get_share(licences.released, row["subscriber"])).share_micro == row["payable_micro"]
    with clock.started_at(APRIL):
        assert await close_months() == 2
        for who, (held, payable) in before.items():
            shown = await get_balance(who)
            assert (shown.held_micro, shown.payable_micro) == (0, held + payable), "all of it is theirs, once"
            year = await get_year(who, 2026)
            assert (year.opening.held_micro, year.opening.payable_micro) == (0, 0)
            earned, released, cancelled = (
                sum(getattr(month, f"{part}_micro") for month in year.months)
                for part in ("earned", "released", "cancelled")
            )
            assert year.closing.payable_micro == released == earned - cancelled == held + payable
        assert await invariants.broken() == []
        assert await close_months() == 0


def test_what_the_version_before_held_and_released_is_paid_once(postgres: EmbeddedPostgres, database_url: str) -> None:
    licences = in_database(database_url, make_sales)
    in_new_database(postgres, "former_accruals", partial(what_follows, database_url, licences))
