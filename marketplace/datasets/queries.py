"""What is known of datasets and releases, and how their sealed cells and private manifests are read."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from marketplace import object_store
from marketplace.database import fetch, fetch_one
from marketplace.datasets.zone_tables import get_geography
from marketplace.errors import Conflict, NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.privacy import key_set
from marketplace.privacy.specification import Specification, specify

if TYPE_CHECKING:
    import datetime as dt
    import uuid
    from collections.abc import Sequence

    import asyncpg
    import pyarrow as pa
    import pyarrow.parquet as pq
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who is in a release and with what weight. Exact personal data: it never leaves the marketplace's own jobs."""

    references: NDArray[np.int64]
    """Ascending; a subscriber's position is the index."""
    weights: NDArray[np.int64]
    """Published cells the subscriber counts in, all positive."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One subscriber's place in a release's manifest."""

    position: int
    weight: int


async def get_dataset(code: str) -> asyncpg.Record:
    """Return a dataset's row."""
    row = await fetch_one("SELECT * FROM dataset WHERE code = $1", code)
    if row is None:
        raise NotFound("There is no dataset {dataset}.", dataset=code)
    return row


async def list_datasets(page: int = 1) -> Paged[Any]:
    """Return one page of datasets with their purpose, how many releases are sealed and refused, and the latest end."""
    rows = await fetch(
        """SELECT dataset.*, purpose.title_fr AS purpose_fr, purpose.title_en AS purpose_en,
                  count(release.id) FILTER (WHERE release.state = 'sealed') AS sealed,
                  count(release.id) FILTER (WHERE release.state = 'refused') AS refused,
                  max(release.period_to) FILTER (WHERE release.state = 'sealed') AS latest
           FROM dataset JOIN purpose ON purpose.code = dataset.purpose
           LEFT JOIN release ON release.dataset = dataset.code
           GROUP BY dataset.code, purpose.code ORDER BY dataset.code LIMIT $1 OFFSET $2""",
        PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged([dict(row) for row in rows], page)


async def get_release(release: uuid.UUID) -> asyncpg.Record:
    """Return a release's row, whatever its state."""
    row = await fetch_one("SELECT * FROM release WHERE id = $1", release)
    if row is None:
        raise NotFound("There is no such release.")
    return row


async def list_releases(dataset: str, page: int = 1) -> Paged[Any]:
    """Return one page of a dataset's releases in every state, the latest period first."""
    rows = await fetch(
        "SELECT * FROM release WHERE dataset = $1 ORDER BY period_to DESC, started_at DESC LIMIT $2 OFFSET $3",
        dataset, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged([dict(row) for row in rows], page)


async def latest_release(dataset: str) -> asyncpg.Record | None:
    """Return the sealed release of the latest period, or None before the first."""
    return await fetch_one(
        "SELECT * FROM release WHERE dataset = $1 AND state = 'sealed' ORDER BY period_to DESC, sealed_at DESC LIMIT 1",
        dataset,
    )


async def list_notices(release: uuid.UUID) -> list[asyncpg.Record]:
    """Return the notices under which a release's consents were given: id, version, texts."""
    return await fetch(
        """SELECT notice.id, notice.purpose, notice.version, notice.text_fr, notice.text_en
           FROM release_notice JOIN notice ON notice.id = release_notice.notice
           WHERE release_notice.release = $1 ORDER BY notice.version""",
        release,
    )


async def get_dossier(release: uuid.UUID) -> asyncpg.Record:
    """Return a release's signed dossier: document, signature, passed, reasons, assessed_at."""
    row = await fetch_one("SELECT * FROM dossier WHERE release = $1", release)
    if row is None:
        raise NotFound("That release was not assessed yet.")
    return row


async def list_coverage(release: uuid.UUID) -> list[asyncpg.Record]:
    """Return how many of each area and age band consented, as published: kind, name, population, consenting."""
    return await fetch(
        "SELECT kind, name, population, consenting FROM coverage WHERE release = $1 ORDER BY kind, name", release
    )


async def list_editions(release: uuid.UUID) -> list[asyncpg.Record]:
    """Return a sealed release's coarser editions, the finest first."""
    return await fetch("SELECT * FROM edition WHERE release = $1 ORDER BY level", release)


async def subscriber_years() -> list[asyncpg.Record]:
    """Return what all datasets together cost one subscriber, by calendar year, latest first."""
    return await fetch("SELECT * FROM privacy_year ORDER BY year DESC LIMIT 5")


async def list_revocations(releases: Sequence[uuid.UUID]) -> dict[uuid.UUID, asyncpg.Record]:
    """Return which of some releases were called back, with the reason in both languages and the instant."""
    rows = await fetch(
        "SELECT release, reason_fr, reason_en, revoked_at FROM revocation WHERE release = ANY($1)", list(releases)
    )
    return {row["release"]: row for row in rows}


async def key_zones(dataset: str) -> tuple[str, ...]:
    """Return the zones of a dataset's public key set, ascending, published or not."""
    row = await get_dataset(dataset)
    geography = await get_geography(row["zone_table"])
    return await asyncio.to_thread(key_set.key_zones, row["zones"], row["h3_resolution"], geography)


async def get_specification(
    dataset: asyncpg.Record, period_from: dt.datetime, period_to: dt.datetime, *, revision: int = 1
) -> Specification:
    """Return what a build of `dataset` (its row) over the half-open period is asked for, as `specification.specify` does."""
    geography = await get_geography(dataset["zone_table"])
    return specify(dataset, period_from, period_to, revision=revision, geography=geography)


async def cells(release: uuid.UUID) -> pa.Table:
    """Return a sealed release's cells: zone, starts_at (UTC), segment, people, events; by zone, time and segment."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    await _get_sealed(release)
    return pq.read_table(pa.BufferReader(await object_store.get(object_store.cells_key(release))))


async def manifest(release: uuid.UUID) -> Manifest:
    """Return a sealed release's whole manifest as arrays."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    await _get_sealed(release)
    table = pq.read_table(
        pa.BufferReader(await object_store.get(object_store.private_key(release, "manifest.parquet")))
    )
    return Manifest(table["reference"].to_numpy(), table["weight"].to_numpy())


async def find_contribution(release: uuid.UUID, reference: int) -> Contribution | None:
    """Return a subscriber's position and weight in a sealed release, or None when they are not in it.

    Reads the manifest's footer (once a process) and one row group, whatever its size.
    """
    await _get_sealed(release)
    return await asyncio.to_thread(_look_up, object_store.private_key(release, "manifest.parquet"), reference)


def _look_up(key: str, reference: int) -> Contribution | None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    footer, firsts, lasts, starts = _groups(key)
    group = int(np.searchsorted(lasts, reference))
    if group == len(lasts) or reference < firsts[group]:
        return None
    with pq.ParquetFile(pa.PythonFile(object_store.ObjectFile(key), mode="r"), metadata=footer) as file:
        rows = file.read_row_group(group)
    references = rows["reference"].to_numpy()
    place = int(np.searchsorted(references, reference))
    if references[place] != reference:
        return None
    return Contribution(int(starts[group]) + place, rows["weight"][place].as_py())


@functools.lru_cache(maxsize=256)
def _groups(key: str) -> tuple[pq.FileMetaData, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return a sealed manifest's footer, and its row groups' first and last reference and first position."""
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(pa.PythonFile(object_store.ObjectFile(key), mode="r")) as file:
        footer = file.metadata
    groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
    statistics: list[Any] = [group.column(0).statistics for group in groups]
    counts = np.array([group.num_rows for group in groups], np.int64)
    return (
        footer,
        np.array([of.min for of in statistics], np.int64),
        np.array([of.max for of in statistics], np.int64),
        np.cumsum(counts) - counts,
    )


async def _get_sealed(release: uuid.UUID) -> None:
    row = await fetch_one("SELECT state FROM release WHERE id = $1", release)
    if row is None:
        raise NotFound("There is no such release.")
    if row["state"] != "sealed":
        raise Conflict("That release is not sealed.")
