"""Queries on switches: what people's switches leave out at ingestion, pauses, and the sectors of buyers."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec import Struct

from marketplace.consent.purposes.queries import list_narrowed
from marketplace.consent.switches.compiling import by_place_and_time, scopes_of
from marketplace.consent.switches.ingesting import PurposeSwitches
from marketplace.consent.switches.switch_arrays import SwitchArrays
from marketplace.consent.switches.tables import PartnerSector
from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

SQL: Final = load_statements(__package__)


class SectorRow(Struct, frozen=True):
    """A vetted partner and its sector; None if nobody stated it."""

    partner: uuid.UUID
    company: str
    sector: str | None
    stated_by: str | None
    stated_at: dt.datetime | None


class LinePurpose(Struct, frozen=True):
    """A purpose that a line consents to."""

    subscriber: int
    purpose: str


class Pause(Struct, frozen=True):
    """A pause that is not over."""

    id: uuid.UUID
    paused_at: dt.datetime


async def list_switched(
    now: dt.datetime, time_zones: Mapping[str, Sequence[str]]
) -> tuple[NDArray[np.int64], list[PurposeSwitches]]:
    """Return the lines that narrowed a purpose, ascending, and the events their switches leave out of each purpose.

    time_zones: for each counted purpose, the time zones in which hours are read.
    """
    rows = await fetch_rows(LinePurpose, SQL["list_switched_lines"], sorted(time_zones), now)
    lines = np.unique(np.array([row.subscriber for row in rows], np.int64))
    purposes = []
    for purpose, zones in time_zones.items() if len(lines) else ():
        consents = np.zeros(len(lines), np.bool_)
        theirs = np.array([row.subscriber for row in rows if row.purpose == purpose], np.int64)
        consents[np.searchsorted(lines, theirs)] = True
        narrowed = [row for row in scopes_of(await list_narrowed(purpose, now)) if row[0] in set(lines.tolist())]
        purposes.append(PurposeSwitches(by_place_and_time(narrowed) or SwitchArrays.of([]), consents, zones))
    return lines, purposes


async def find_pause(subscriber: int) -> Pause | None:
    """Return a subscriber's current pause, if any."""
    return await fetch_row(Pause, SQL["find_pause"], subscriber)


async def list_sectors(page: int = 1) -> Paged[SectorRow]:
    """Return one page of vetted partners with their sectors, those without one first."""
    return paged(await fetch_rows(SectorRow, SQL["list_sectors"], PAGE_SIZE + 1, offset(page)), page)


async def get_sector(partner: uuid.UUID) -> str | None:
    """Return the sector of a partner; None if nobody stated one."""
    return await fetch_scalar(str, PartnerSector.select(PartnerSector.sector).where(PartnerSector.partner == partner))
