"""Ingesting deliveries of the operator's probes and registry, each once; a corrected file replaces the old one.

Events and tables go into the event store. A table of subscribers is complete: new lines are created, and missing ones
are ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from msgspec import Struct

from marketplace.consent.switches.ingesting import AtIngest
from marketplace.consent.switches.queries import list_switched
from marketplace.core import clock, object_store
from marketplace.core.database import fetch_rows, select
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.line_index import LineIndex
from marketplace.core.locks import exclusive
from marketplace.core.progress import WAITING, no_progress
from marketplace.core.settings import settings
from marketplace.datasets.builds import input_files
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.builds.ingest import ingest, look_at
from marketplace.datasets.geography.queries import get_geography, list_geographies, list_zone_tables
from marketplace.datasets.population.operator_tables import read_sites, read_subscribers
from marketplace.datasets.releases.tables import Dataset
from marketplace.datasets.retractions.actions import INGESTION, apply_locked
from marketplace.datasets.retractions.queries import list_retracted_lines
from marketplace.people.identity.lines import LineCounts, apply_line_table
from marketplace.privacy.geography import H3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.core.progress import ReportProgress
    from marketplace.datasets.builds.retracted_events import RetractedEvents
    from marketplace.datasets.population.operator_tables import SubscriberTable

Table = TypeVar("Table")


class IngestionResult(Struct, frozen=True):
    """The result of an ingestion: events of each day written, and changes by a table of subscribers, if any."""

    days: dict[str, int]
    lines: LineCounts | None
    unknown_homes: dict[str, int]
    """Home zones that are neither an H3 cell nor in a zone table, with their lines; the commonest first."""


class PurposeZone(Struct, frozen=True):
    """A purpose, and a time zone in which a dataset of it is counted."""

    purpose: str
    time_zone: str


async def ingest_files(
    events: str = "",
    subscribers: str = "",
    sites: str = "",
    *,
    replace: bool = False,
    allow_gone: int = 0,
    progress: ReportProgress | None = None,
) -> IngestionResult:
    """Update the lines and the event store from the operator's files; return the changes.

    All are paths or bucket addresses; empty ones mean the operator's settings. A file that was ingested before and has
    the same appearance or the same bytes changes nothing; one of the same name with other bytes replaces its old rows;
    a new one adds. With `replace` the files are complete for the days they have events of. Retracted events of a line
    stay out. Refused, while everything committed before stays: a file that is damaged or has a malformed row, a new
    file that repeats most of what another gave of a day, and a table that lacks more than one line in fifty and more
    than `allow_gone`.
    """
    return await _ingest_files(
        events, subscribers, sites, replace=replace, progress=progress, allow_gone=allow_gone, keeps_lines=True
    )


async def ingest_events(
    events: str = "",
    subscribers: str = "",
    sites: str = "",
    *,
    replace: bool = False,
    progress: ReportProgress | None = None,
) -> dict[str, int]:
    """Do the same for the event store alone: no line is created or ended. Return the events of each day written."""
    done = await _ingest_files(
        events, subscribers, sites, replace=replace, progress=progress, allow_gone=0, keeps_lines=False
    )
    return done.days


async def ingest_new() -> None:
    """Ingest new files from the addresses in the settings; a job, which does nothing without addresses."""
    if settings().events or settings().subscribers:
        await ingest_files()


async def _ingest_files(
    events: str,
    subscribers: str,
    sites: str,
    *,
    replace: bool,
    progress: ReportProgress | None,
    allow_gone: int,
    keeps_lines: bool,
) -> IngestionResult:
    report = progress or no_progress
    events, subscribers = events or settings().events, subscribers or settings().subscribers
    sites = sites or settings().sites
    if not events and not subscribers and not sites:
        raise Invalid("There is nothing to ingest: name files, or set PARTAGE_EVENTS and PARTAGE_SUBSCRIBERS.")
    async with exclusive(INGESTION, on_wait=lambda: report(WAITING, 0.0)):
        await apply_locked(report)
        retracted = await list_retracted_lines()
        scratch = settings().state / "ingest"
        try:
            report("looking for files", 0.0)
            people = await asyncio.to_thread(_read, read_subscribers, "subscribers", subscribers, scratch)
            places = await asyncio.to_thread(_read, read_sites, "sites", sites, scratch)
            lines = await _apply_lines(people, allow_gone, report) if people and keeps_lines else None
            unknown = await _find_unknown_homes(people.homes) if people else {}
            tables = ({"subscribers": people.parquet} if people else {}) | ({"sites": places} if places else {})
            switches = await _read_switches(people)
            days = await asyncio.to_thread(
                _ingest, events, tables, scratch, report, replace=replace, retracted=retracted, switches=switches
            )
        finally:
            input_files.clear(scratch)
    return IngestionResult(days, lines, unknown)


async def _read_switches(people: SubscriberTable | None) -> AtIngest | None:
    """Return the switches that leave events out of every dataset; None: no such switches.

    people: the table of subscribers that came; None: the last ingested one states the homes of lines.
    """
    zones_of = select(PurposeZone, Dataset).order_by(Dataset.purpose, Dataset.time_zone)
    time_zones: dict[str, list[str]] = {}
    for row in dict.fromkeys(await fetch_rows(PurposeZone, zones_of)):
        time_zones.setdefault(row.purpose, []).append(row.time_zone)
    lines, purposes = await list_switched(clock.now(), time_zones)
    if not len(lines):
        return None
    store = Store(object_store.store())
    table = people.parquet if people else store.state.subscribers and store.read(store.state.subscribers)
    homes = await asyncio.to_thread(_homes, table, lines) if table else [None] * len(lines)
    return AtIngest(lines, purposes, homes, store.zones_of_sites(), await list_geographies())


def _homes(table: bytes, lines: NDArray[np.int64]) -> list[str | None]:
    """Return the home zone of each line from the table of subscribers; None for a line that it lacks."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    found = pq.read_table(pa.BufferReader(table), columns=["subscriber_id", "home_zone"])
    at = LineIndex(lines).find(found["subscriber_id"].to_numpy().astype(np.int64))
    rows = np.flatnonzero(at >= 0)
    home_of = dict(zip(at[rows].tolist(), found["home_zone"].take(rows).to_pylist(), strict=True))
    return [home_of.get(n) for n in range(len(lines))]


async def _apply_lines(people: SubscriberTable, allow_gone: int, report: ReportProgress) -> LineCounts:
    report("comparing lines", 0.0)
    return await apply_line_table(people.references, people.sha256, changed=people.changed, allow_gone=allow_gone)


async def _find_unknown_homes(homes: Mapping[str, int]) -> dict[str, int]:
    """Return the home zones that are neither an H3 cell nor in a zone table, with their lines; the commonest first."""
    unknown = {home: lines for home, lines in homes.items() if H3.level(home) is None}
    for table in await list_zone_tables() if unknown else []:
        geography = await get_geography(table.code)
        unknown = {home: lines for home, lines in unknown.items() if geography.level(home) is None}
    return dict(sorted(unknown.items(), key=lambda item: (-item[1], item[0])))


def _ingest(
    events: str,
    tables: dict[str, bytes],
    scratch: Path,
    report: ReportProgress,
    *,
    replace: bool = False,
    retracted: RetractedEvents | None = None,
    switches: AtIngest | None = None,
) -> dict[str, int]:
    try:
        files = input_files.gather_named(events, scratch, "events") if events else {}
        # Copies of a bucket's objects are new each time: only their bytes show whether they are known.
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
            switches=switches,
            report=report,
        )
    except OSError as error:
        raise _as_refusal(error) from None


def _read(read: Callable[[list[Path], Path], Table], name: str, address: str, scratch: Path) -> Table | None:
    """Return the result of `read` for the files at `address`, None without an address."""
    if not address:
        return None
    try:
        return read(input_files.gather(address, scratch, name), scratch)
    except OSError as error:
        raise _as_refusal(error) from None


def _as_refusal(error: OSError) -> Exception:
    if error.errno in input_files.DISK_FULL:
        return Conflict("The disk is full: make room, then run it again.")
    return error
