"""Jobs run once per slot, however many workers tick and whichever of them dies."""

import asyncio
import contextlib
import datetime as dt
import os
import signal
import sys
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core.database import execute, transaction
from marketplace.core.locks import LockSession
from marketplace.oversight.public_log.actions import keep_log
from marketplace.site.jobs.scheduler import run_due, slot_of
from marketplace.site.jobs.timetable import jobs
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.earnings.contribution_actions import index_contributions
from marketplace.subscribers.earnings.month_close import close_months
from tests.people.builders import kinds_written
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until, until_blocked

ROOT = Path(__file__).resolve().parents[3]
WORKER = """
import asyncio, os, sys
from marketplace.core import database
from marketplace.site.jobs.scheduler import run_due
from marketplace.core.locks import LockSession
from tests.support.waiting import until

async def work():
    await database.execute("INSERT INTO seen (worker) VALUES ($1)", os.getpid())
    await database.execute("SELECT pg_advisory_xact_lock_shared(1)")

async def main():
    await database.open_pool(sys.argv[1])
    session = LockSession()
    async def never():
        await run_due(session, "test", 1, work)
    await until(never, 600)

asyncio.run(main())
"""


@given(st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1)), st.integers(1, 86_400))  # noqa: DTZ001 (made aware below)
def test_a_slot_starts_at_a_multiple_of_its_interval(instant: dt.datetime, every: int) -> None:
    now = instant.replace(tzinfo=dt.UTC)
    slot = slot_of(now, every)
    assert slot.timestamp() % every == 0
    assert dt.timedelta(0) <= now - slot < dt.timedelta(seconds=every)


async def until_seen(enough: str) -> None:
    await until(lambda: fetch_value(f"SELECT {enough} FROM seen"))


@pytest.mark.deep
@pytest.mark.owner("its jobs write a table that it makes")
async def test_several_workers_run_a_slot_once_and_survive_a_kill(database_url: str) -> None:
    await execute("CREATE TABLE seen (worker int, at timestamptz DEFAULT clock_timestamp())")
    workers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, database_url, cwd=ROOT) for _ in range(3)
    ]
    try:
        await until_seen("count(DISTINCT worker) >= 2 AND count(*) >= 4")
        async with transaction():
            await execute("SELECT pg_advisory_xact_lock(1)")
            await until_blocked(1)
            os.kill(await fetch_value("SELECT worker FROM seen ORDER BY at DESC LIMIT 1"), signal.SIGKILL)
        before = await fetch_value("SELECT count(*) FROM seen")
        await until_seen(f"count(*) >= {before} + 4")
    finally:
        for worker in workers:
            with contextlib.suppress(ProcessLookupError):  # the killed one has gone
                worker.kill()
            await worker.wait()

    slots = await fetch("SELECT slot, missed, finished_at FROM job_run WHERE job = 'test' ORDER BY slot")
    seen, count = await fetch_value("SELECT count(*) FROM seen"), len(slots)
    assert count >= 4
    assert count <= seen <= count + 1, "only the slot of the killed worker may have been begun twice"
    for before, after in pairwise([slot for slot in slots if slot["finished_at"]]):
        passed = (after["slot"] - before["slot"]).total_seconds()
        assert after["missed"] == passed - 1, (
            "no slot is lost while somebody works: it ran, or a later one answers for it"
        )


async def test_a_failed_slot_is_reported_and_tried_again() -> None:
    calls: list[int] = []

    async def work() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise ConnectionError

    session = LockSession()
    try:
        first = await run_due(session, "test", 86_400, work)
        error = await fetch_value("SELECT error FROM job_run WHERE job = 'test'")
        second, third = [await run_due(session, "test", 86_400, work) for _ in range(2)]
    finally:
        await session.close()
    assert (first, second, third) == (False, True, False)
    assert "ConnectionError" in error
    assert await kinds_written() == ["job_late"]
    assert len(calls) == 2


async def test_missed_slots_are_caught_up_by_one_run() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    past = slot_of(dt.datetime.now(dt.UTC), 60) - dt.timedelta(minutes=11)
    await execute(
        "INSERT INTO job_run (job, slot, missed, started_at, finished_at) VALUES ('test', $1, 0, $1, $1)", past
    )
    session = LockSession()
    assert await run_due(session, "test", 60, work)
    await session.close()
    assert await fetch_value("SELECT missed FROM job_run WHERE job = 'test' ORDER BY slot DESC LIMIT 1") in {10, 11}


@pytest.mark.parametrize("name", list(jobs()))
async def test_every_job_runs_on_an_empty_marketplace_and_again(name: str, stripe: object) -> None:
    del stripe  # there, and empty too
    _, work = jobs()[name]

    await work()
    await work()


LOCKED_BY = {
    "public log": keep_log,
    "index contributions": index_contributions,
    "close month": close_months,
    "hold shares": hold_shares,
}
QUEUED = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
ASKED = """
    SELECT query_start FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'SELECT pg_try_advisory_lock(%'"""


@pytest.mark.parametrize("name", LOCKED_BY)
async def test_a_job_waits_for_the_lock_of_a_dead_worker_that_postgresql_has_not_noticed(
    database_url: str, name: str
) -> None:
    """A job that found its lock taken and returned would be over for its slot, which may be a day."""
    dead = await asyncpg.connect(database_url)
    assert await dead.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name)
    await dead.execute("SELECT 1")
    job = asyncio.create_task(LOCKED_BY[name]())
    asked = set[object]()

    async def is_settled() -> bool:
        """Return whether the job is over, is in PostgreSQL's queue, or has asked for the lock again."""
        asked.update([row["query_start"] for row in await fetch(ASKED)])
        return job.done() or len(asked) > 1 or bool(await fetch_value(QUEUED))

    await until(is_settled)
    assert not job.done(), "it says that there was nothing to do"
    await dead.close()
    await job
