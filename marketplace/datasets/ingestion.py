"""Ingesting: what the operator's probes and registry delivered, into the event store, once."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

from marketplace import object_store as objects
from marketplace.builds import inputs
from marketplace.builds.ingest import ingest
from marketplace.builds.store import Store
from marketplace.errors import Conflict, Invalid
from marketplace.locks import alone
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Say = Callable[[str, float], None]


async def ingest_events(
    events: str = "", subscribers: str = "", sites: str = "", *, progress: Say | None = None
) -> dict[str, int]:
    """Add what is new at `events` to the event store, with the latest tables; return how many events each day now has.

    All are paths or bucket addresses; empty ones are the operator's settings. Files that were ingested before and look
    the same are not read again. Refused, with every day that was kept before it in place: a file that is damaged or has
    a malformed row.
    """
    say = progress or (lambda _step, _share: None)
    events, subscribers = events or settings().events, subscribers or settings().subscribers
    sites = sites or settings().sites
    if not events and not subscribers and not sites:
        raise Invalid("There is nothing to ingest: name files, or set PARTAGE_EVENTS and PARTAGE_SUBSCRIBERS.")
    async with alone("ingest events", say):
        return await asyncio.to_thread(_ingest, events, subscribers, sites, say)


async def ingest_new() -> None:
    """Ingest what is new where the settings say it comes; a job, which has nothing to do where they say nothing."""
    if settings().events or settings().subscribers:
        await ingest_events()


def _ingest(events: str, subscribers: str, sites: str, say: Say) -> dict[str, int]:
    scratch = settings().state / "ingest"
    say("looking for files", 0.0)
    try:
        named = {"subscribers": subscribers, "sites": sites}
        tables = {name: _table(name, address, scratch) for name, address in named.items() if address}
        files = inputs.gather(events, scratch, "events") if events else []
        known = {str(file): f"{(seen := file.stat()).st_size} {seen.st_mtime_ns}" for file in files}
        if "://" in events and not events.startswith("file://"):
            known = {}  # copies of a bucket's objects are new each time
        return ingest(Store(objects.store()), files, scratch / "rows", known=known, tables=tables, say=say)
    except OSError as error:
        if error.errno in inputs.DISK_FULL:
            raise Conflict("The disk is full: make room, then run it again.") from None
        raise
    finally:
        inputs.clear(scratch)


def _table(name: str, address: str, scratch: Path) -> bytes:
    """Return the table of subscribers or sites, checked row by row, as Parquet."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    files = inputs.gather(address, scratch, name)
    database = inputs.scratch_database(scratch)
    try:
        if name == "subscribers":
            inputs.check_subscribers(database, files)
            query = "SELECT subscriber_id, age_band, home_zone FROM subscriber_as_read"
        else:
            inputs.check_sites(database, files)
            query = "SELECT site, zone FROM site_as_read"
        table = database.sql(query).to_arrow_table()
    finally:
        database.close()
    kept = io.BytesIO()
    pq.write_table(table, kept, compression="zstd")
    return kept.getvalue()
