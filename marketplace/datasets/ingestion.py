"""Ingesting: what the operator's probes and registry delivered, once; a corrected file in place of it.

Events and tables go into the event store. A table of subscribers is all of them: its lines are created where they are
new, and those that it lacks are ended.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from msgspec import Struct

from marketplace import clock, object_store
from marketplace.builds import input_files
from marketplace.builds.event_store import Store
from marketplace.builds.ingest import ingest, look_at
from marketplace.database import fetch_rows, select
from marketplace.datasets.tables import Dataset
from marketplace.errors import Conflict, Invalid
from marketplace.identity.lines import LineCounts, apply_line_table
from marketplace.line_index import LineIndex
from marketplace.locks import exclusive
from marketplace.operator_tables import read_sites, read_subscribers
from marketplace.privacy.geography import H3
from marketplace.progress import WAITING, no_progress
from marketplace.retractions.actions import INGESTION, apply_locked
from marketplace.retractions.queries import list_retracted_lines
from marketplace.settings import settings
from marketplace.switches.ingesting import AtIngest
from marketplace.switches.queries import list_switched
from marketplace.zones.queries import get_geography, list_geographies, list_zone_tables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from marketplace.operator_tables import SubscriberTable
    from marketplace.progress import ReportProgress
    from marketplace.retracted import Retracted

Table = TypeVar("Table")


class Ingested(Struct, frozen=True):
    """What an ingestion did: the events of each day written, and what the table of subscribers changed, if one came."""

    days: dict[str, int]
    lines: LineCounts | None
    unknown_homes: dict[str, int]
    """Home zones that are neither an H3 cell nor in a zone table, with their lines; the commonest first."""


class PurposeZone(Struct, frozen=True):
    """A purpose, and a time zone that a dataset of it is counted in."""

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
) -> Ingested:
    """Bring the lines and the event store to what the operator's files say; return what that changed.

    All are paths or bucket addresses; empty ones are the operator's settings. A file that was ingested before and looks
    the same, or has the same bytes, changes nothing; one of the same name with other bytes replaces what it said before;
    a new one adds. With `replace` the files are all there is of the days they have events of. What was retracted of a
    line stays out. Refused, with all that was committed before it in place: a file that is damaged or has a malformed
    row, a new file that repeats most of what another gave of a day, and a table that lacks more than one line in fifty
    and more than `allow_gone`.
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
    """Ingest what is new where the settings say it comes; a job, which has nothing to do where they say nothing."""
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
) -> Ingested:
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
    return Ingested(days, lines, unknown)


async def _read_switches(people: SubscriberTable | None) -> AtIngest | None:
    """Return what people's own words leave out of every dataset that there is; None: nothing.

    people: the table of subscribers that came; None: the one ingested last says where lines are at home.
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
    """Return the home zone of each line, as the table of subscribers says; None for a line that it lacks."""
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
    retracted: Retracted | None = None,
    switches: AtIngest | None = None,
) -> dict[str, int]:
    try:
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
            switches=switches,
            report=report,
        )
    except OSError as error:
        raise _as_refusal(error) from None


def _read(read: Callable[[list[Path], Path], Table], name: str, address: str, scratch: Path) -> Table | None:
    """Return what `read` makes of the files at `address`, None where there is no address."""
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
