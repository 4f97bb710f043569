"""Checks that the site can serve; each has a sentence for what is wrong and how to repair it.

`/readyz`, the status page, the metrics and `marketplace doctor` all use them, so that they never differ. A check reads
and changes nothing, and gives up after two seconds: a database that hangs must not hang the caller.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import time
from typing import TYPE_CHECKING, Final

import asyncpg
from msgspec import Struct

from marketplace.core import clock, object_store
from marketplace.core.backup import servers
from marketplace.core.backup.queries import find_last_backup
from marketplace.core.backup.unfinished import find_mark
from marketplace.core.database import fetch_scalar, reason_of
from marketplace.core.errors import Busy, Unavailable
from marketplace.core.settings import settings
from marketplace.site.health import published_objects
from marketplace.site.jobs.queries import list_last_runs
from marketplace.site.jobs.rules import is_late
from marketplace.site.jobs.timetable import jobs
from migrations.pending import list_pending

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

LONGEST_SECONDS: Final = 2.0
LARGEST_DIFFERENCE_SECONDS: Final = 5.0
"""Most seconds between the database's clock, which decides auctions, and this machine's, which dates rows."""
FRESH_SECONDS: Final = 2.0
"""How long an answer is reused, so that the checks run at most every two seconds."""
TROUBLES: Final = (OSError, TimeoutError, Busy, asyncpg.PostgresError, asyncpg.InterfaceError)  # type: ignore[attr-defined]
SILENT: Final = "The object store does not answer as it should."
NAMED: Final = 3
"""How many late jobs, or waiting migrations, are named; the others are counted."""
BYTES_A_MB: Final = 1_000_000


class Check(Struct, frozen=True):
    """One check. `problem` is a sentence, empty if all is well; `mend` is the command that repairs it."""

    name: str
    problem: str = ""
    mend: str = ""


class Latest:
    """The latest result of all checks, renewed once it is two seconds old, by one caller at a time."""

    def __init__(self) -> None:
        """Begin without a result."""
        self.asking, self.asked_at, self.checks = asyncio.Lock(), float("-inf"), list[Check]()

    async def read(self) -> list[Check]:
        """Return every check, at most two seconds old."""
        async with self.asking:
            if time.monotonic() - self.asked_at > FRESH_SECONDS:
                self.checks = await examine()
                self.asked_at = time.monotonic()
            return self.checks


async def examine() -> list[Check]:
    """Return every check; the pool must be open, but the database need not answer.

    Without a database, checks that read it are left out; its own check gives the reason.
    """
    found, objects = [await check_database()], await check_objects()
    if not found[0].problem:
        found += [
            await _within_time("server", _check_server),
            await _within_time("migrations", _check_migrations),
            await _within_time("clock", _check_clock),
            await _within_time("jobs", _check_jobs),
            await _within_time("backup", _check_backup),
        ]
        objects = objects if objects.problem else await _within_time(objects.name, _check_releases)
    return [*found, objects, check_disk()]


async def _within_time(name: str, check: Callable[[], Awaitable[Check]]) -> Check:
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            return await check()
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        return Check(name, "It cannot be looked up before the schema is up to date.", "marketplace migrate")
    except TROUBLES as error:
        return Check(name, f"It could not be looked up: {reason_of(error)}.", "read PostgreSQL's log, and try again")


async def check_database() -> Check:
    """Check that the database is complete."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            is_restored_half = await find_mark() is not None
    except TROUBLES as error:
        return without_database(error)
    if is_restored_half:
        return Check("database", "A restore has not ended.", "marketplace restore, with the same backup and key")
    return Check("database")


def without_database(error: BaseException) -> Check:
    """Return the check of an unreachable database; the reason has addresses and is not for visitors."""
    if isinstance(error, TimeoutError | Busy):
        return Check("database", "The database does not answer in time.", "start PostgreSQL, and compare DATABASE_URL")
    why = f"start PostgreSQL, and compare DATABASE_URL ({reason_of(error)})"
    return Check("database", "The database cannot be reached.", why)


async def _check_server() -> Check:
    return Check("server", servers.GONE_BACK, servers.MEND) if await servers.has_gone_back() else Check("server")


async def _check_migrations() -> Check:
    pending = await list_pending()
    if not pending:
        return Check("migrations")
    verb = "migration waits" if len(pending) == 1 else "migrations wait"
    more = f" and {len(pending) - NAMED} more" if len(pending) > NAMED else ""
    return Check("migrations", f"{len(pending)} {verb}: {', '.join(pending[:NAMED])}{more}.", "marketplace migrate")


async def _check_clock() -> Check:
    before = clock.now()
    theirs = await fetch_scalar(type(before), "SELECT clock_timestamp()")
    assert theirs, "PostgreSQL has a clock"
    ahead = _seconds_ahead(before, theirs, clock.now())
    if abs(ahead) <= LARGEST_DIFFERENCE_SECONDS:
        return Check("clock")
    way = "ahead of" if ahead > 0 else "behind"
    return Check(
        "clock", f"This machine's clock is {abs(ahead):.0f} seconds {way} the database's.", "timedatectl set-ntp true"
    )


def _seconds_ahead(before: dt.datetime, theirs: dt.datetime, after: dt.datetime) -> float:
    """Return how far this machine's clock is ahead of an instant read between two of its own; 0 in between."""
    return max((before - theirs).total_seconds(), 0.0) or min((after - theirs).total_seconds(), 0.0)


async def _check_jobs() -> Check:
    now, intervals = clock.now(), {job: every for job, (every, _) in jobs().items()}
    runs = await list_last_runs(list(intervals))
    if not runs:
        return Check("jobs", "No job has ever run.", "marketplace jobs")
    late = [
        run.job
        for run in runs
        if is_late(
            now,
            intervals[run.job],
            started_at=run.started_at,
            finished_at=run.finished_at,
            is_running=run.is_running,
        )
    ]
    if not late:
        return Check("jobs")
    more = f" and {len(late) - NAMED} more" if len(late) > NAMED else ""
    verb = "is" if len(late) == 1 else "are"
    return Check("jobs", f"{', '.join(late[:NAMED])}{more} {verb} late.", "marketplace jobs")


async def _check_backup() -> Check:
    """Check the age of the last backup; whether one is ever made, the settings of `jobs` say."""
    last, longest = await find_last_backup(), dt.timedelta(hours=2 * settings().backup_hours)
    if last is None or clock.now() - last <= longest:
        return Check("backup")
    return Check(
        "backup", f"The last backup is of {last:%Y-%m-%d %H:%M} UTC.", "marketplace backup, and read the log of `jobs`"
    )


async def check_objects() -> Check:
    """Check the object store by listing it: a wrong bucket, endpoint or key fails."""
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await object_store.look()
    except Unavailable as refusal:
        return Check("object store", SILENT, refusal.cause)
    except (TimeoutError, *object_store.TROUBLES) as error:
        return Check("object store", SILENT, object_store.sentence_of(error))
    return Check("object store")


async def _check_releases() -> Check:
    try:
        missing = published_objects.sentence_of(await published_objects.find_missing())
    except Unavailable as refusal:
        return Check("object store", SILENT, refusal.cause)
    return Check("object store", missing, published_objects.MEND if missing else "")


def check_disk() -> Check:
    """Check the free space of the disk with PARTAGE_STATE, also before that exists."""
    folder: Path = settings().state
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // BYTES_A_MB
    least = settings().least_free_mb
    if free >= least:
        return Check("disk")
    return Check(
        "disk", f"{free} MB are free for PARTAGE_STATE, and {least} MB are the least.", "delete, or add a disk"
    )
