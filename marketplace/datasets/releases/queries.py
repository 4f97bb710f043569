"""Queries on datasets and releases, and reading their sealed cells and private manifests."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from msgspec import Struct
from piccolo.query.functions import Max

from marketplace.core import object_store
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import Conflict, NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.settings import settings
from marketplace.core.statements import load_statements
from marketplace.datasets.builds.cells_file import read_file
from marketplace.datasets.builds.manifest_file import people_in
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.releases.rules import PUBLISHED_WITHIN, DatasetTerms, specify
from marketplace.datasets.releases.tables import (
    Coverage,
    Dataset,
    Dossier,
    Edition,
    PrivacySpend,
    PrivacyYear,
    Release,
    Revocation,
)
from marketplace.privacy import key_set
from pricing.public_shares import expected_difference_micro

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification

SQL: Final = load_statements(__package__)
YEARS_SHOWN: Final = 5


class DatasetRow(DatasetTerms, frozen=True):
    """A dataset: its terms, the budget its releases spent, and how often it is built automatically."""

    spent_micro: int = 0
    cadence: str = ""


class DatasetListing(Struct, frozen=True):
    """A dataset in the steward's list: its purpose's titles, how many releases are sealed and refused, the latest end."""

    code: str
    title_fr: str
    title_en: str
    grain: str
    epsilon_micro: int
    budget_micro: int
    spent_micro: int
    purpose_fr: str
    purpose_en: str
    sealed: int
    refused: int
    latest: dt.datetime | None


class ReleaseRow(Struct, frozen=True):
    """A release in any state; each field is the column of `release`."""

    id: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    specification: str
    state: str
    revision: int
    note_fr: str
    note_en: str
    schema_version: int
    method_version: int
    expansion_micro: int | None
    started_at: dt.datetime
    last_consent_record: int
    sealed_at: dt.datetime | None
    sealed_by: str
    epsilon_micro: int
    delta_exponent: int
    rho_nano: int
    sampler: str
    threshold: int
    noise_variance_micro: int
    mean_error_micro: int
    error_people: int
    error_events: int
    total_error_micro: int
    r_indicator_micro: int | None
    key_count: int
    row_count: int
    published_people: int
    suppressed_micro: int
    consenting: int
    population: int
    median_cell_people: int
    median_cell_population: int
    latest_event_at: dt.datetime | None
    contributors: int
    total_weight: int
    cells_sha256: str
    manifest_sha256: str
    inputs: str
    refusal: str | None


class UnpublishedRow(Struct, frozen=True):
    """A build that waits to be published: its dataset, and when it began."""

    id: uuid.UUID
    purpose: str
    title_fr: str
    title_en: str
    started_at: dt.datetime

    @property
    def lapses_at(self) -> dt.datetime:
        """Return the instant from which it is not published any more."""
        return self.started_at + PUBLISHED_WITHIN


class NoticeRow(Struct, frozen=True):
    """A notice under which consents of a release were given."""

    id: uuid.UUID
    purpose: str
    version: int
    text_fr: str
    text_en: str


class DossierRow(Struct, frozen=True):
    """A release's dossier: canonical JSON, its Ed25519 signature, and why it did not pass, a sentence each."""

    document: bytes
    signature: bytes
    passed: bool
    reasons: list[str]
    assessed_at: dt.datetime


class CoverageRow(Struct, frozen=True):
    """How many subscribers of an area or age band consented, as published."""

    kind: str
    name: str
    population: int
    consenting: int


class EditionRow(Struct, frozen=True):
    """A coarser accuracy level of a release; each field is the column of `edition`."""

    level: int
    variance_multiple: int
    noise_variance_micro: int
    threshold: int
    row_count: int
    error_people: int
    cells_sha256: str


class YearRow(Struct, frozen=True):
    """What all datasets together cost one subscriber in a calendar year: millionths of epsilon."""

    year: int
    spent_micro: int
    budget_micro: int


class Charge(Struct, frozen=True):
    """The cost of one release to one subscriber of a year, in nano-rho."""

    year: int
    rho_nano: int


class RevocationRow(Struct, frozen=True):
    """Why and when a release was called back, and by which member of staff."""

    release: uuid.UUID
    reason_fr: str
    reason_en: str
    revoked_by: str
    revoked_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Manifest:
    """The people in a release and their weights. Exact personal data: it never leaves the marketplace's own jobs."""

    references: NDArray[np.int64]
    """Ascending."""
    weights: NDArray[np.int64]
    """Published cells the subscriber counts in, all positive."""


@dataclass(frozen=True, slots=True)
class PublishedFigures:
    """Published figures of all of a release's cells together."""

    people: int
    """The sum over published cells, as noise left them."""
    noises: int
    """The most cells whose noise is in that sum."""
    variance_micro: int
    """Of each cell, in millionths."""

    @property
    def difference_micro(self) -> int:
        """Return about how far all shares of a sale are from its pool, in millionths of the pool."""
        return expected_difference_micro(self.people, cells=self.noises, variance_micro=self.variance_micro)


async def get_dataset(code: str) -> DatasetRow:
    """Return a dataset."""
    return existing(
        await fetch_row(DatasetRow, select(DatasetRow, Dataset).where(Dataset.code == code)),
        NotFound("There is no dataset {dataset}.", dataset=code),
    )


async def list_datasets(page: int = 1) -> Paged[DatasetListing]:
    """Return one page of datasets by code."""
    return paged(await fetch_rows(DatasetListing, SQL["list_datasets"], PAGE_SIZE + 1, offset(page)), page)


async def get_release(release: uuid.UUID) -> ReleaseRow:
    """Return a release in any state."""
    return existing(
        await fetch_row(ReleaseRow, select(ReleaseRow, Release).where(Release.id == release)),
        NotFound("There is no such release."),
    )


async def find_build(specification: Specification) -> ReleaseRow | None:
    """Return the release that was built as `specification` says, in any state, or None."""
    of_period = (Release.period_from == specification.period_from) & (Release.period_to == specification.period_to)
    mine = (Release.dataset == specification.dataset) & (Release.specification == specification.digest)
    return await fetch_row(ReleaseRow, select(ReleaseRow, Release).where(mine, of_period))


async def get_last_revision(specification: Specification, *, counted_only: bool = False) -> int:
    """Return the number of the last revision of a specification's dataset and period, 0 before the first.

    counted_only: whether to leave out a revision whose build was interrupted before its cells were saved.
    """
    of_period = (Release.period_from == specification.period_from) & (Release.period_to == specification.period_to)
    last = Release.select(Max(Release.revision)).where(Release.dataset == specification.dataset, of_period)
    if counted_only:
        last = last.where(Release.state != "spent")
    return await fetch_scalar(int, last) or 0


async def get_charges(release: uuid.UUID) -> dict[int, int]:
    """Return the charge of a release to each year of its subscribers, in nano-rho."""
    rows = await fetch_rows(Charge, select(Charge, PrivacySpend).where(PrivacySpend.release == release))
    return {row.year: row.rho_nano for row in rows}


async def list_releases(dataset: str, page: int = 1) -> Paged[ReleaseRow]:
    """Return one page of a dataset's releases in every state, the latest period first."""
    query = select(ReleaseRow, Release).where(Release.dataset == dataset)
    query = query.order_by(Release.period_to, Release.started_at, ascending=False)
    return paged(await fetch_rows(ReleaseRow, query.limit(PAGE_SIZE + 1).offset(offset(page))), page)


async def list_overlapping(period_from: dt.datetime, period_to: dt.datetime) -> list[ReleaseRow]:
    """Return every release that is published, or may be at any time, and overlaps with the half-open period, by its start.

    Revoked ones too: a copy is a copy.
    """
    may_be_out = Release.state.is_in(["assessed", "sealed"])
    overlaps = (Release.period_from < period_to) & (Release.period_to > period_from)
    query = select(ReleaseRow, Release).where(may_be_out, overlaps).order_by(Release.period_from, Release.id)
    return await fetch_rows(ReleaseRow, query)


async def find_latest_release(dataset: str) -> ReleaseRow | None:
    """Return the sealed release of the latest period, or None before the first."""
    sealed = select(ReleaseRow, Release).where(Release.dataset == dataset, Release.state == "sealed")
    return await fetch_row(ReleaseRow, sealed.order_by(Release.period_to, Release.sealed_at, ascending=False).limit(1))


async def get_release_interval(dataset: str) -> int:
    """Return the days between the ends of a dataset's last two sealed releases; 0 if there are fewer than two."""
    ends = await fetch_column(
        dt.datetime,
        """SELECT DISTINCT period_to FROM release
           WHERE dataset = $1 AND state = 'sealed' ORDER BY period_to DESC LIMIT 2""",
        dataset,
    )
    return (ends[0] - ends[1]).days if len(ends) > 1 else 0


async def list_notices(release: uuid.UUID) -> list[NoticeRow]:
    """Return the notices under which a release's consents were given, by version."""
    return await fetch_rows(NoticeRow, SQL["list_notices"], release)


async def get_dossier(release: uuid.UUID) -> DossierRow:
    """Return a release's signed dossier."""
    return existing(
        await fetch_row(DossierRow, select(DossierRow, Dossier).where(Dossier.release == release)),
        NotFound("That release was not assessed yet."),
    )


async def list_coverage(release: uuid.UUID) -> list[CoverageRow]:
    """Return how many of each area and age band consented, by kind and name."""
    query = select(CoverageRow, Coverage).where(Coverage.release == release)
    return await fetch_rows(CoverageRow, query.order_by(Coverage.kind, Coverage.name))


async def list_editions(release: uuid.UUID) -> list[EditionRow]:
    """Return a sealed release's coarser editions, the finest first."""
    query = select(EditionRow, Edition).where(Edition.release == release)
    return await fetch_rows(EditionRow, query.order_by(Edition.level))


async def list_subscriber_years() -> list[YearRow]:
    """Return what all datasets together cost one subscriber, by calendar year, latest first."""
    query = select(YearRow, PrivacyYear).order_by(PrivacyYear.year, ascending=False)
    return await fetch_rows(YearRow, query.limit(YEARS_SHOWN))


async def find_revocation(release: uuid.UUID) -> RevocationRow | None:
    """Return why and when a release was called back, or None."""
    return (await list_revocations([release])).get(release)


async def list_revocations(releases: Sequence[uuid.UUID]) -> dict[uuid.UUID, RevocationRow]:
    """Return the recalls of some releases, by release."""
    if not releases:
        return {}
    query = select(RevocationRow, Revocation).where(Revocation.release.is_in(list(releases)))
    return {row.release: row for row in await fetch_rows(RevocationRow, query)}


async def key_zones(dataset: str) -> tuple[str, ...]:
    """Return the zones of a dataset's public key set, ascending, published or not."""
    terms = await get_dataset(dataset)
    geography = await get_geography(terms.zone_table)
    return await asyncio.to_thread(key_set.key_zones, terms.zones, terms.h3_resolution, geography)


async def get_specification(
    terms: DatasetTerms, period_from: dt.datetime, period_to: dt.datetime, *, revision: int = 1
) -> Specification:
    """Return the specification of a build under `terms` over the half-open period, as `rules.specify` does."""
    geography = await get_geography(terms.zone_table)
    return specify(terms, period_from, period_to, revision=revision, geography=geography)


async def cells(release: uuid.UUID) -> pa.Table:
    """Return a sealed release's cells: zone, starts_at (UTC), segment, people, events; by zone, time and segment."""
    await _get_sealed(release)
    return read_file(await object_store.get(object_store.cells_key(release)))


async def manifest(release: uuid.UUID) -> Manifest:
    """Return a sealed release's whole manifest as arrays."""
    await _get_sealed(release)
    return Manifest(
        *people_in(read_file(await object_store.get(object_store.private_key(release, "manifest.parquet"))))
    )


async def fetch_manifest(release: uuid.UUID, path: Path) -> None:
    """Write a sealed release's manifest to a file: Parquet as `manifest_file` says."""
    await _get_sealed(release)
    await object_store.download(object_store.private_key(release, "manifest.parquet"), path)


async def manifest_weights(release: uuid.UUID) -> NDArray[np.int64]:
    """Return the weights of a sealed release's manifest, by row, for the sum of its shares; 0 is nobody's."""
    await _get_sealed(release)
    file = await object_store.get(object_store.private_key(release, "manifest.parquet"))
    table = await asyncio.to_thread(read_file, file, ["weight"])
    return np.asarray(table["weight"].to_numpy(), np.int64)


async def get_published_figures(release: uuid.UUID) -> PublishedFigures:
    """Return the public figures by which a sealed release's licences are divided."""
    row = await get_release(release)
    return PublishedFigures(row.published_people, noises_of(row), row.noise_variance_micro)


def noises_of(row: ReleaseRow) -> int:
    """Return the most cells whose noise is in a release's published counts: all cells but those withheld."""
    withheld = -(-row.suppressed_micro * row.key_count // 1_000_000)
    return max(row.row_count, row.key_count - withheld)


async def find_weight(release: uuid.UUID, reference: int) -> int:
    """Return a subscriber's weight in a sealed release, 0 if they are not in it.

    Reads the manifest's footer (once a process) and one row group, whatever its size.
    """
    await _get_sealed(release)
    return await asyncio.to_thread(_look_up, object_store.private_key(release, "manifest.parquet"), reference)


async def list_unpublished(reference: int, since: dt.datetime) -> dict[str, list[UnpublishedRow]]:
    """Return the builds with a subscriber in them that wait to be published, by purpose, the latest first.

    since: a build whose period ended before is another holder's.
    """
    found: dict[str, list[UnpublishedRow]] = {}
    for row in await fetch_rows(UnpublishedRow, SQL["list_unpublished"], since):
        if await asyncio.to_thread(_look_up, object_store.private_key(row.id, "manifest.parquet"), reference):
            found.setdefault(row.purpose, []).append(row)
    return found


def _look_up(key: str, reference: int) -> int:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    footer, firsts, lasts = _groups(settings().objects, key)
    group = int(np.searchsorted(lasts, reference))
    if group == len(lasts) or reference < firsts[group]:
        return 0
    with pq.ParquetFile(pa.PythonFile(object_store.ObjectFile(key), mode="r"), metadata=footer) as file:
        rows = file.read_row_group(group)
    references = rows["reference"].to_numpy()
    place = int(np.searchsorted(references, reference))
    return int(rows["weight"][place].as_py()) if references[place] == reference else 0


@functools.lru_cache(maxsize=32)
def _groups(store: str, key: str) -> tuple[pq.FileMetaData, NDArray[np.int64], NDArray[np.int64]]:
    """Return a sealed manifest's footer, and its row groups' first and last reference.

    store: the address of the object store, part of the cache's key.
    """
    del store
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(pa.PythonFile(object_store.ObjectFile(key), mode="r")) as file:
        footer = file.metadata
    # A manifest of nobody has one group without rows and without statistics.
    groups = [footer.row_group(number) for number in range(footer.num_row_groups if footer.num_rows else 0)]
    statistics: list[Any] = [group.column(0).statistics for group in groups]
    return (
        footer,
        np.array([of.min for of in statistics], np.int64),
        np.array([of.max for of in statistics], np.int64),
    )


async def _get_sealed(release: uuid.UUID) -> None:
    state = existing(
        await fetch_scalar(str, "SELECT state FROM release WHERE id = $1", release),
        NotFound("There is no such release."),
    )
    if state != "sealed":
        raise Conflict("That release is not sealed.")
