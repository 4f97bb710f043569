"""The scheduler: APScheduler decides when a job is due, a `job_run` row decides whether it runs.

A slot is a multiple of the job's interval. The worker that runs a slot has the job's lock (`core.locks.exclusive`) on a
connection of its own, so a worker that dies releases the lock at once and another runs the slot. Jobs pull their due
work, so one run covers every slot that was missed while no worker ran; the row has their number.
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

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Unavailable
from marketplace.core.locks import LockSession, exclusive
from marketplace.core.scheduled import DAY, MINUTE
from marketplace.core.tracing import job_run
from marketplace.core.working_folders import delete_abandoned
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.site.jobs.queries import find_last_slot, has_finished
from marketplace.site.jobs.tables import JobRun
from marketplace.site.jobs.timetable import jobs
from marketplace.site.message_kinds import JOB_LATE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from marketplace.core.database import Values

log = structlog.get_logger(__name__)
LATE_SECONDS = 3600
"""A job this late is reported by a message, once a day."""


def slot_of(now: dt.datetime, every: int) -> dt.datetime:
    """Return the start of the slot that contains `now`; slots are `every` seconds long, counted from the epoch."""
    return dt.datetime.fromtimestamp(now.timestamp() // every * every, dt.UTC)


async def run_due(session: LockSession, job: str, every: int, work: Callable[[], Awaitable[object]]) -> bool:
    """Run the job's present slot unless it ran; return whether this call ran it. A failure is recorded and retried."""
    slot = slot_of(clock.now(), every)
    if await has_finished(job, slot):
        return False
    async with exclusive(f"job {job}", wait=False, session=session) as is_ours:
        with job_run(job):
            return is_ours and await _run_slot(job, slot, every, work)


async def _run_slot(job: str, slot: dt.datetime, every: int, work: Callable[[], Awaitable[object]]) -> bool:
    last_slot = await find_last_slot(job)
    if last_slot is not None and last_slot >= slot:
        return False
    missed = max(0, round((slot - last_slot).total_seconds() / every) - 1) if last_slot else 0
    await execute(
        """INSERT INTO job_run (job, slot, missed, started_at) VALUES ($1, $2, $3, $4)
           ON CONFLICT (job, slot) DO UPDATE SET started_at = excluded.started_at, error = NULL""",
        job,
        slot,
        missed,
        clock.now(),
    )
    if missed * every >= LATE_SECONDS:
        await _report_late(job, slot)
    this = (JobRun.job == job) & (JobRun.slot == slot)
    try:
        done = await work()
    except Exception as error:
        failed: Values = {JobRun.error: f"{type(error).__name__}: {error}"}
        async with transaction():
            await JobRun.update(failed).where(this)
            await _report_late(job, slot)
        why = {"cause": error.cause, "exc_info": False} if isinstance(error, Unavailable) else {}
        log.exception("job failed; tried again at its next tick", slot=slot, **why)
        return False
    found = done if isinstance(done, int) else None
    finished: Values = {JobRun.finished_at: clock.now(), JobRun.error: None, JobRun.found: found}
    await JobRun.update(finished).where(this)
    return True


async def _report_late(job: str, slot: dt.datetime) -> None:
    """Notify stewards, once a day, that a job is late or fails."""
    async with transaction():
        await send(JOB_LATE, f"{job} {slot:%Y-%m-%d}", [Recipient("role", "steward")], job=job)


async def delete_old_runs() -> None:
    """Delete finished runs that are older than a month."""
    await JobRun.delete().where(JobRun.finished_at < clock.now() - dt.timedelta(days=31))


@contextlib.asynccontextmanager
async def ticking(*, after_seconds: float = 0) -> AsyncIterator[None]:
    """Tick in the running event loop during the block; any number of workers may do so.

    after_seconds: before the first tick. Unfinished work at the end is cancelled, and done by the next worker that
    ticks.
    """
    delete_abandoned()
    logging.getLogger("apscheduler").setLevel(logging.ERROR)  # skipping a tick while the last one works is normal
    session = LockSession()
    scheduler = AsyncIOScheduler(
        timezone=dt.UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    first = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=after_seconds)
    everything = jobs() | {"delete-old-runs": (DAY, delete_old_runs)}
    for job, (every, work) in everything.items():
        scheduler.add_job(
            run_due,
            IntervalTrigger(seconds=min(every, MINUTE), timezone=dt.UTC),
            args=[session, job, every, work],
            id=job,
            next_run_time=first,
        )
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
