"""The scheduler: APScheduler decides when a job is due, a `job_run` row decides whether it runs.

A slot is a multiple of the job's interval. The worker that runs a slot has the job's lock (`locks.exclusive`) on a
connection of its own, so a worker that dies releases the lock at once and another runs the slot. Jobs pull what is due,
so one run answers for every slot that was missed while no worker ran; the row says how many.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
import signal
from typing import TYPE_CHECKING

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from marketplace import clock
from marketplace.database import execute, fetch, fetch_one
from marketplace.jobs.timetable import DAY, MINUTE, jobs
from marketplace.locks import LockSession, exclusive

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

log = structlog.get_logger(__name__)


async def list_last_runs() -> list[asyncpg.Record]:
    """Return each job's last finished run, and whether its latest one failed."""
    return await fetch(
        """SELECT job, error IS NOT NULL AS is_failing, finished_at, found FROM unnest($1::text[]) AS job
           CROSS JOIN LATERAL (SELECT error FROM job_run WHERE job_run.job = job.job ORDER BY slot DESC LIMIT 1) AS latest
           LEFT JOIN LATERAL (SELECT finished_at, found FROM job_run WHERE job_run.job = job.job AND finished_at IS NOT NULL
                              ORDER BY slot DESC LIMIT 1) AS finished ON true
           ORDER BY job""",
        list(jobs()),
    )


def slot_of(now: dt.datetime, every: int) -> dt.datetime:
    """Return the start of the slot that contains `now`; slots are `every` seconds long, counted from the epoch."""
    return dt.datetime.fromtimestamp(now.timestamp() // every * every, dt.UTC)


async def run_due(session: LockSession, job: str, every: int, work: Callable[[], Awaitable[object]]) -> bool:
    """Run the job's present slot unless it ran; tell whether this call did it. A failure is recorded and tried again."""
    slot = slot_of(clock.now(), every)
    if await fetch_one("SELECT 1 FROM job_run WHERE job = $1 AND slot = $2 AND finished_at IS NOT NULL", job, slot):
        return False
    async with exclusive(f"job {job}", wait=False, session=session) as is_ours:
        return is_ours and await _run_slot(job, slot, every, work)


async def _run_slot(job: str, slot: dt.datetime, every: int, work: Callable[[], Awaitable[object]]) -> bool:
    last = await fetch_one("SELECT max(slot) AS slot FROM job_run WHERE job = $1 AND finished_at IS NOT NULL", job)
    last_slot = last["slot"] if last else None
    if last_slot is not None and last_slot >= slot:
        return False
    missed = max(0, round((slot - last_slot).total_seconds() / every) - 1) if last_slot else 0
    await execute(
        """INSERT INTO job_run (job, slot, missed, started_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (job, slot) DO UPDATE SET started_at = excluded.started_at, error = NULL""",
        job, slot, missed, clock.now(),
    )  # fmt: skip
    try:
        done = await work()
    except Exception as error:
        await execute(
            "UPDATE job_run SET error = $3 WHERE job = $1 AND slot = $2", job, slot, f"{type(error).__name__}: {error}"
        )
        log.exception("job failed; tried again at its next tick", job=job, slot=slot)
        return False
    await execute(
        "UPDATE job_run SET finished_at = $3, error = NULL, found = $4 WHERE job = $1 AND slot = $2",
        job, slot, clock.now(), done if isinstance(done, int) else None,
    )  # fmt: skip
    return True


async def delete_old_runs() -> None:
    """Keep a month of finished runs."""
    await execute("DELETE FROM job_run WHERE finished_at < $1", clock.now() - dt.timedelta(days=31))


@contextlib.asynccontextmanager
async def ticking() -> AsyncIterator[None]:
    """Tick in the running event loop while the block runs; any number of workers may.

    What is under way at the end is given up, and taken up by whoever ticks next.
    """
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # a tick skipped while the last one works is no news
    session = LockSession()
    scheduler = AsyncIOScheduler(
        timezone=dt.UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    everything = jobs() | {"delete-old-runs": (DAY, delete_old_runs)}
    for job, (every, work) in everything.items():
        scheduler.add_job(
            run_due, IntervalTrigger(seconds=min(every, MINUTE), timezone=dt.UTC), args=[session, job, every, work], id=job,
            next_run_time=dt.datetime.now(dt.UTC),
        )  # fmt: skip
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=False)
        await session.close()


async def work_until_stopped() -> None:
    """Be a worker until SIGTERM or SIGINT; the pool must be open."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with ticking():
        await stop.wait()
