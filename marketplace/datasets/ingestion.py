"""Ingesting: what the operator's probes and registry delivered, into the event store, once."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from marketplace import object_store
from marketplace.builds import input_files
from marketplace.builds.event_store import Store
from marketplace.builds.ingest import ingest
from marketplace.errors import Conflict, Invalid
from marketplace.locks import exclusive
from marketplace.progress import WAITING, no_progress
from marketplace.settings import settings

if TYPE_CHECKING:
    from pathlib import Path

    from marketplace.progress import ReportProgress


async def ingest_events(
    events: str = "", subscribers: str = "", sites: str = "", *, progress: ReportProgress | None = None
) -> dict[str, int]:
    """Add what is new at `events` to the event store, with the latest tables; return how many events each day now has.

    All are paths or bucket addresses; empty ones are the operator's settings. Files that were ingested before and look
    the same are not read again. Refused, with every day that was kept before it in place: a file that is damaged or has
    a malformed row.
    """
    report = progress or no_progress
    events, subscribers = events or settings().events, subscribers or settings().subscribers
    sites = sites or settings().sites
    if not events and not subscribers and not sites:
        raise Invalid("There is nothing to ingest: name files, or set PARTAGE_EVENTS and PARTAGE_SUBSCRIBERS.")
    async with exclusive("ingest events", on_wait=lambda: report(WAITING, 0.0)):
        return await asyncio.to_thread(_ingest, events, subscribers, sites, report)


async def ingest_new() -> None:
    """Ingest what is new where the settings say it comes; a job, which has nothing to do where they say nothing."""
    if settings().events or settings().subscribers:
        await ingest_events()


def _ingest(events: str, subscribers: str, sites: str, report: ReportProgress) -> dict[str, int]:
    scratch = settings().state / "ingest"
    report("looking for files", 0.0)
    try:
        named = {"subscribers": subscribers, "sites": sites}
        tables = {name: _table(name, address, scratch) for name, address in named.items() if address}
        files = input_files.gather(events, scratch, "events") if events else []
        known = {str(file): f"{(seen := file.stat()).st_size} {seen.st_mtime_ns}" for file in files}
        if "://" in events and not events.startswith("file://"):
            known = {}  # copies of a bucket's objects are new each time
        return ingest(Store(object_store.store()), files, scratch / "rows", known=known, tables=tables, report=report)
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
