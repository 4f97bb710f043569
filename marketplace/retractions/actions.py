"""Retracting events: ask, remove them from the event store, record that it is done.

A retraction is recorded before the store is touched and marked done after it, and removing again what is gone changes
nothing: killed anywhere, the next ingestion, build or run of the job ends it. The store changes in one step.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from marketplace import clock, object_store
from marketplace.builds.event_store import Store
from marketplace.builds.input_files import DISK_FULL
from marketplace.database import Values, execute
from marketplace.errors import Conflict, Invalid
from marketplace.instants import EPOCH
from marketplace.locks import exclusive
from marketplace.progress import WAITING, no_progress
from marketplace.retracted import Retracted
from marketplace.retractions.queries import SQL, RetractionToDo, list_retractions_to_do
from marketplace.retractions.store_rewriting import retract as remove
from marketplace.retractions.tables import Retraction
from marketplace.settings import settings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from marketplace.progress import ReportProgress

INGESTION: Final = "ingest events"
"""The lock of everyone who writes the event store."""
ERASURE: Final = "the person erased themselves"


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

    No later build counts them; releases that are sealed stay as they are. A line's events stay out of files that are
    ingested later; everyone's come back with a file that is ingested after it. Refused: an interval that is empty or
    not over, and no reason.
    """
    if subscriber is not None and subscriber < 0:
        raise Invalid("A line is a whole number, not negative.")
    await ask(starts_at, ends_at, subscriber=subscriber, reason=reason, by=by)
    return await apply_retractions(progress)


async def ask(
    starts_at: dt.datetime, ends_at: dt.datetime, *, subscriber: int | None = None, reason: str, by: str
) -> None:
    """Ask for the same; the next build or ingestion removes the events before it does anything else, and so does the job."""
    if starts_at >= ends_at:
        raise Invalid("The interval is empty: it ends where it starts or before.")
    if ends_at > clock.now():
        raise Invalid("The interval is not over yet.")
    if not reason.strip():
        raise Invalid("A retraction says why.")
    await Retraction.insert(
        Retraction(
            subscriber=subscriber,
            starts_at=starts_at,
            ends_at=ends_at,
            reason=reason.strip(),
            asked_by=by,
            asked_at=clock.now(),
        )
    )


async def request_erasures(line: int | None = None) -> None:
    """Ask that all events be removed that a line, or any, had until its person erased themselves; again changes nothing."""
    await execute(SQL["request_erasures"], "retract-erased", clock.now(), ERASURE, EPOCH, line)


async def retract_erased() -> int:
    """Remove what people did before they erased themselves; a job, which returns how many events it removed."""
    await request_erasures()
    return sum((await apply_retractions()).values())


async def apply_retractions(progress: ReportProgress | None = None) -> dict[str, int]:
    """Remove the events of every retraction that is not done; return how many each day lost."""
    report = progress or no_progress
    if not await list_retractions_to_do():
        return {}
    async with exclusive(INGESTION, on_wait=lambda: report(WAITING, 0.0)):
        return await apply_locked(report)


async def apply_locked(report: ReportProgress) -> dict[str, int]:
    """Do the same for a caller that has the lock INGESTION."""
    waiting = await list_retractions_to_do()
    if not waiting:
        return {}
    lost = await asyncio.to_thread(_remove, waiting, report)
    done: Values = {Retraction.done_at: clock.now()}
    await Retraction.update(done).where(Retraction.id.is_in([row.id for row in waiting]), Retraction.done_at.is_null())
    return lost


def _remove(waiting: Sequence[RetractionToDo], report: ReportProgress) -> dict[str, int]:
    lines = [row for row in waiting if row.subscriber is not None]
    retracted = Retracted(
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
