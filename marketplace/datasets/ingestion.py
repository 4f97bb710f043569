"""Ingesting: what the operator's probes and registry delivered, into the event store, once; a corrected file in place of it."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from marketplace import object_store
from marketplace.builds import input_files
from marketplace.builds.event_store import Store
from marketplace.builds.ingest import ingest, look_at
from marketplace.errors import Conflict, Invalid
from marketplace.locks import exclusive
from marketplace.progress import WAITING, no_progress
from marketplace.retractions.actions import INGESTION, apply_locked
from marketplace.retractions.queries import list_retracted_lines
from marketplace.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

    from marketplace.builds.retracted import Retracted
    from marketplace.progress import ReportProgress


async def ingest_events(
    events: str = "",
    subscribers: str = "",
    sites: str = "",
    *,
    replace: bool = False,
    progress: ReportProgress | None = None,
) -> dict[str, int]:
    """Bring the event store to what the files at `events` say, with the latest tables; return the events of each day written.

    All are paths or bucket addresses; empty ones are the operator's settings. A file that was ingested before and looks
    the same, or has the same bytes, changes nothing; one of the same name with other bytes replaces what it said before;
    a new one adds. With `replace` the files are all there is of the days they have events of. What was retracted of a
    line stays out. Refused, with all that was committed before it in place: a file that is damaged or has a malformed
    row, and a new file that repeats most of what another gave of a day.
    """
    report = progress or no_progress
    events, subscribers = events or settings().events, subscribers or settings().subscribers
    sites = sites or settings().sites
    if not events and not subscribers and not sites:
        raise Invalid("There is nothing to ingest: name files, or set PARTAGE_EVENTS and PARTAGE_SUBSCRIBERS.")
    async with exclusive(INGESTION, on_wait=lambda: report(WAITING, 0.0)):
        await apply_locked(report)
        retracted = await list_retracted_lines()
        return await asyncio.to_thread(
            _ingest, events, subscribers, sites, report, replace=replace, retracted=retracted
        )


async def ingest_new() -> None:
    """Ingest what is new where the settings say it comes; a job, which has nothing to do where they say nothing."""
    if settings().events or settings().subscribers:
        await ingest_events()


def _ingest(
    events: str,
    subscribers: str,
    sites: str,
    report: ReportProgress,
    *,
    replace: bool = False,
    retracted: Retracted | None = None,
) -> dict[str, int]:
    scratch = settings().state / "ingest"
    report("looking for files", 0.0)
    try:
        named = {"subscribers": subscribers, "sites": sites}
        tables = {name: _table(name, address, scratch) for name, address in named.items() if address}
        files = input_files.gather_named(events, scratch, "events") if events else {}
        # Copies of a bucket's objects are new each time: their bytes say whether they are known.
        known = {} if input_files.is_bucket(events) else {str(file): look_at(file) for file in files}
        return ingest(
            Store(object_store.store()),
            list(files),
            scratch / "rows",
            known=known,
            names=files,
            tables=tables,
            replace=replace,
            retracted=retracted,
            report=report,
        )
    except OSError as error:
        if error.errno in input_files.DISK_FULL:
            raise Conflict("The disk is full: make room, then run it again.") from None
        raise
    finally:
        input_files.clear(scratch)


def _table(name: str, address: str, scratch: Path) -> bytes:
    """Return the table of subscribers or sites, checked row by row, as Parquet."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    files = input_files.gather(address, scratch, name)
    database = input_files.scratch_database(scratch)
    try:
        if name == "subscribers":
            input_files.check_subscribers(database, files)
            query = "SELECT subscriber_id, age_band, home_zone FROM subscriber_as_read"
        else:
            input_files.check_sites(database, files)
            query = "SELECT site, zone FROM site_as_read"
        table = database.sql(query).to_arrow_table()
    finally:
        database.close()
    kept = io.BytesIO()
    pq.write_table(table, kept, compression="zstd")
    return kept.getvalue()
