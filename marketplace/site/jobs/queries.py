"""Reads of jobs' runs for the monitor and the scheduler."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.statements import load_statements
from marketplace.site.jobs.tables import JobRun

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)


class LastRun(Struct, frozen=True):
    """A job's last finished run, if any, and whether its latest run failed or is still running."""

    job: str
    is_failing: bool
    is_running: bool
    started_at: dt.datetime
    """Start of its latest run."""
    finished_at: dt.datetime | None
    found: int | None
    """How many rows the job found or moved, if it counts them."""


async def list_last_runs(jobs: Sequence[str]) -> list[LastRun]:
    """Return the last run of each of `jobs` that ran at least once."""
    return await fetch_rows(LastRun, SQL["list_last_runs"], list(jobs))


async def find_last_slot(job: str) -> dt.datetime | None:
    """Return the start of the latest slot that this job finished."""
    return await fetch_scalar(
        dt.datetime,
        JobRun.select(JobRun.slot)
        .where(JobRun.job == job, JobRun.finished_at.is_not_null())
        .order_by(JobRun.slot, ascending=False)
        .limit(1),
    )


async def has_finished(job: str, slot: dt.datetime) -> bool:
    """Return whether this job's run of `slot` finished."""
    return await JobRun.exists().where(JobRun.job == job, JobRun.slot == slot, JobRun.finished_at.is_not_null())
