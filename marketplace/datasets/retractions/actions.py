"""Retracting events: request it, remove them from the event store, record that it is done.

A retraction is recorded before the store is changed and marked done after it, and removing events twice is harmless. If
it is killed, the next ingestion, build or run of the job completes it. The store changes in one step.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct, structs

from marketplace.core import clock, object_store
from marketplace.core.database import Values, execute, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.instants import EPOCH
from marketplace.core.locks import exclusive
from marketplace.core.notes.actions import state_note
from marketplace.core.progress import WAITING, no_progress
from marketplace.core.settings import settings
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.builds.input_files import DISK_FULL
from marketplace.datasets.builds.retracted_events import RetractedEvents
from marketplace.datasets.retractions.queries import SQL, RetractionToDo, list_retractions_to_do
from marketplace.datasets.retractions.store_rewriting import retract as remove
from marketplace.datasets.retractions.tables import Retraction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.core.progress import ReportProgress

INGESTION: Final = "ingest events"
"""The lock for all changes of the event store."""
ERASURE: Final = "the person erased themselves"


class NotedRetraction(Struct, frozen=True):
    """A retraction as it is noted outside the database; its fields are columns of `Retraction`."""

    subscriber: int | None
    starts_at: dt.datetime
    ends_at: dt.datetime
    reason: str
    asked_by: str
    asked_at: dt.datetime


async def retract(
    starts_at: dt.datetime,
    ends_at: dt.datetime,
    *,
    subscriber: int | None = None,
    reason: str,
    by: str,
    progress: ReportProgress | None = None,
) -> dict[str, int]:
    """Remove the events of a half-open interval, of one line or (None) of everyone; return how many each day lost.

    No later build counts them; sealed releases stay as they are. A line's events stay out of files that are ingested
    later; everyone's return with a file that is ingested later. Refused: an interval that is empty or not over, and a
    missing reason.
    """
    if subscriber is not None and subscriber < 0:
        raise Invalid("A line is a whole number, not negative.")
    await ask(starts_at, ends_at, subscriber=subscriber, reason=reason, by=by)
    return await apply_retractions(progress)


async def ask(
    starts_at: dt.datetime, ends_at: dt.datetime, *, subscriber: int | None = None, reason: str, by: str
) -> None:
    """Request the same; the next build, ingestion or run of the job first removes the events."""
    if starts_at >= ends_at:
        raise Invalid("The interval is empty: it ends where it starts or before.")
    if ends_at > clock.now():
        raise Invalid("The interval is not over yet.")
    if not reason.strip():
        raise Invalid("A retraction says why.")
    await _write(NotedRetraction(subscriber, starts_at, ends_at, reason.strip(), by, clock.now()))


async def repeat(noted: NotedRetraction) -> bool:
    """Request again what a restored database lacks, and return whether it lacked it."""
    known = select(NotedRetraction, Retraction).where(Retraction.asked_at == noted.asked_at)
    if noted in await fetch_rows(NotedRetraction, known):
        return False
    await _write(noted)
    return True


async def _write(noted: NotedRetraction) -> None:
    async with transaction():
        await Retraction.insert(Retraction(**structs.asdict(noted)))
        await state_note("retraction", noted)


async def request_erasures(line: int | None = None) -> None:
    """Request to remove all events of a line, or of any, up to its person's erasure; repeating changes nothing."""
    await execute(SQL["request_erasures"], "retract-erased", clock.now(), ERASURE, EPOCH, line)


async def retract_erased() -> int:
    """Remove the events from before people erased themselves; a job, which returns how many events it removed."""
    await request_erasures()
    return sum((await apply_retractions()).values())


async def apply_retractions(progress: ReportProgress | None = None) -> dict[str, int]:
    """Remove the events of every open retraction; return how many each day lost."""
    report = progress or no_progress
    if not await list_retractions_to_do():
        return {}
    async with exclusive(INGESTION, on_wait=lambda: report(WAITING, 0.0)):
        return await apply_locked(report)


async def apply_locked(report: ReportProgress) -> dict[str, int]:
    """Do the same for a caller that has acquired INGESTION."""
    waiting = await list_retractions_to_do()
    if not waiting:
        return {}
    lost = await asyncio.to_thread(_remove, waiting, report)
    done: Values = {Retraction.done_at: clock.now()}
    await Retraction.update(done).where(Retraction.id.is_in([row.id for row in waiting]), Retraction.done_at.is_null())
    return lost


def _remove(waiting: Sequence[RetractionToDo], report: ReportProgress) -> dict[str, int]:
    lines = [row for row in waiting if row.subscriber is not None]
    retracted = RetractedEvents(
        [row.subscriber or 0 for row in lines],
        [row.from_us for row in lines],
        [row.to_us for row in lines],
        [(row.from_us, row.to_us) for row in waiting if row.subscriber is None],
    )
    try:
        return remove(Store(object_store.store()), settings().state / "retract", retracted, report=report)
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Conflict("The disk is full: make room, then run it again.") from None
        raise
