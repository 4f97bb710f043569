"""Price sheets: the version in force, the law of volume, and what releases publish of a market."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.catalogue.sheets.tables import PriceSheet, SheetVersion, VolumeLaw
from marketplace.core.database import fetch_row, fetch_rows, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.statements import load_statements
from pricing.sheet import Law, Points, Span

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

SQL: Final = load_statements(__package__)


class SheetRow(Struct, frozen=True):
    """A market: what all of its datasets count, over which zones."""

    code: str
    title_fr: str
    title_en: str
    product: str
    grain: str
    zone_table: str | None
    h3_resolution: int
    currency: str


class VersionRow(Struct, frozen=True):
    """A sheet as it was stated; `document` is canonical JSON, see `rules.Document`."""

    id: uuid.UUID
    sheet: str
    number: int
    document: str
    sha256: str
    groups: list[str]
    starts_at: dt.datetime
    stated_by: str
    stated_at: dt.datetime


class VersionDigest(Struct, frozen=True):
    """A version by its digest alone: its document has megabytes for a country."""

    sha256: str


class HistoryRow(Struct, frozen=True):
    """A version of a sheet, without what it states."""

    id: uuid.UUID
    number: int
    sha256: str
    starts_at: dt.datetime
    stated_by: str
    stated_at: dt.datetime


class StatedLawRow(Struct, frozen=True):
    """A law of volume as it was stated."""

    id: uuid.UUID
    currency: str
    starts_minor: list[int]
    rates_basis_points: list[int]
    least_minor: int
    starts_at: dt.datetime
    stated_by: str
    stated_at: dt.datetime

    @property
    def steps(self) -> list[tuple[int, int]]:
        """Return from how much worth on, in cents, each rate holds, in basis points."""
        return list(zip(self.starts_minor, self.rates_basis_points, strict=True))


class LawRow(Struct, frozen=True):
    """What an order costs of what it is worth."""

    starts_minor: list[int]
    rates_basis_points: list[int]
    least_minor: int


class PointsRow(Struct, frozen=True):
    """What a release, or an edition of it, has on its sheet; `spans` is JSON."""

    sheet: str
    release: uuid.UUID
    level: int
    spans: str
    stages: list[int]

    @property
    def points(self) -> Points:
        """Return it as a price takes it."""
        declared, published, covered, accurate, even = self.stages
        spans = msgspec.json.decode(self.spans, type=tuple[Span, ...])
        return Points(spans, (declared, published, covered, accurate, even))


class FiguresRow(Struct, frozen=True):
    """What a sealed release (level 0) or an edition of it publishes; counts as `cells_file.pack_counts` has them."""

    release: uuid.UUID
    level: int
    dataset: str
    period_from: dt.datetime
    hours_by_day: list[int]
    published_by_figure: bytes
    noise_variance_micro: int


class ConsentRow(Struct, frozen=True):
    """How many of a release's area or age band consent, as published, of how many people."""

    release: uuid.UUID
    kind: str
    name: str
    population: int
    consenting: int


async def get_sheet(code: str) -> SheetRow:
    """Return a market's sheet."""
    return existing(
        await fetch_row(SheetRow, select(SheetRow, PriceSheet).where(PriceSheet.code == code)),
        NotFound("There is no price sheet {sheet}.", sheet=code),
    )


async def list_sheets() -> list[SheetRow]:
    """Return the sheets of all markets, by code."""
    return await fetch_rows(SheetRow, select(SheetRow, PriceSheet).order_by(PriceSheet.code))


async def list_sheets_of(dataset: str) -> list[SheetRow]:
    """Return the sheets of the markets that count the same figures as a dataset, by code."""
    return await fetch_rows(SheetRow, SQL["list_sheets_of"], dataset)


async def get_version(sheet: str, at: dt.datetime) -> VersionRow:
    """Return the version of a sheet that is in force at an instant."""
    return existing(
        await fetch_row(VersionRow, SQL["get_version"], sheet, at),
        NotFound("The price sheet {sheet} is not in force yet.", sheet=sheet),
    )


async def find_digest(sheet: str, at: dt.datetime) -> str | None:
    """Return the digest of the version of a sheet that is in force at an instant, None before the first."""
    version = await fetch_row(VersionDigest, SQL["find_digest"], sheet, at)
    return version.sha256 if version else None


async def find_version(sheet: str, at: dt.datetime) -> VersionRow | None:
    """Return the version of a sheet that is in force at an instant, or None before its first."""
    return await fetch_row(VersionRow, SQL["get_version"], sheet, at)


async def get_version_of(sha256: str) -> VersionRow:
    """Return the first version of any sheet with a digest, which a price names it by."""
    query = select(VersionRow, SheetVersion).where(SheetVersion.sha256 == sha256)
    return existing(
        await fetch_row(VersionRow, query.order_by(SheetVersion.stated_at).limit(1)),
        NotFound("No price sheet has this digest."),
    )


async def list_history(sheet: str) -> list[HistoryRow]:
    """Return the versions of a sheet, the last stated first, without their documents."""
    query = select(HistoryRow, SheetVersion).where(SheetVersion.sheet == sheet)
    return await fetch_rows(HistoryRow, query.order_by(SheetVersion.number, ascending=False))


async def list_laws() -> list[StatedLawRow]:
    """Return every law of volume, by currency, the last to start first."""
    query = select(StatedLawRow, VolumeLaw).order_by(VolumeLaw.currency)
    return await fetch_rows(StatedLawRow, query.order_by(VolumeLaw.starts_at, ascending=False))


async def list_versions(sheet: str) -> list[VersionRow]:
    """Return the versions of a sheet, the last stated first."""
    query = select(VersionRow, SheetVersion).where(SheetVersion.sheet == sheet)
    return await fetch_rows(VersionRow, query.order_by(SheetVersion.number, ascending=False))


async def list_constants(sheet: str, at: dt.datetime) -> list[VersionRow]:
    """Return the versions of a sheet by which points are counted, the first to start first; none before the first starts.

    Those that were corrected before anything had points are left out.
    """
    return await fetch_rows(VersionRow, SQL["list_constants"], sheet, at)


async def get_law(currency: str, at: dt.datetime) -> Law:
    """Return the law of volume of a currency that is in force at an instant."""
    query = select(LawRow, VolumeLaw).where((VolumeLaw.currency == currency) & (VolumeLaw.starts_at <= at))
    row = existing(
        await fetch_row(LawRow, query.order_by(VolumeLaw.starts_at, ascending=False).limit(1)),
        NotFound("No law of volume is stated in {currency} yet.", currency=currency),
    )
    volume = tuple(zip(row.starts_minor, row.rates_basis_points, strict=True))
    return Law(currency=currency, volume=volume, least_minor=row.least_minor)


async def list_least(currency: str, since: dt.datetime, until: dt.datetime) -> list[int]:
    """Return the least charges of the laws of a currency that are in force at some instant of [since, until)."""
    rows = await fetch_rows(LawRow, SQL["list_laws_between"], currency, since, until)
    return [row.least_minor for row in rows]


async def list_points(
    sheets: Collection[str], releases: Collection[uuid.UUID]
) -> dict[tuple[str, uuid.UUID, int], Points]:
    """Return the points of releases and their editions on sheets, by sheet, release and level."""
    rows = await fetch_rows(PointsRow, SQL["list_points"], list(sheets), list(releases))
    return {(row.sheet, row.release, row.level): row.points for row in rows}


async def list_figures(datasets: Sequence[str], sheet: str | None = None) -> list[FiguresRow]:
    """Return what sealed releases of datasets publish, and their editions, of those without points on a sheet.

    sheet: None: of all.
    """
    return await fetch_rows(FiguresRow, SQL["list_figures"], list(datasets), sheet)


async def list_consent(releases: Sequence[uuid.UUID]) -> list[ConsentRow]:
    """Return how many of each area and age band of releases consent."""
    return await fetch_rows(ConsentRow, SQL["list_consent"], list(releases))
