"""Which datasets may lie on the same ground, which of their releases is drawn, and their stored pictures."""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_rows, fetch_scalar
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.pictures import rules
from marketplace.privacy.key_set import key_zones
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Sequence

KNOWN_GROUNDS: Final = 64
LIST_KEY_SETS: Final = """
SELECT zone_table, zones, h3_resolution
FROM unnest($1::text[]) WITH ORDINALITY AS asked (code, place)
JOIN dataset USING (code)
ORDER BY place
"""
LIST_NEAR: Final = """
SELECT mine.dataset, other.dataset AS near
FROM footprint AS mine
JOIN footprint AS other
    ON box(point(other.east, other.north), point(other.west, other.south))
        && box(point(mine.east, mine.north), point(mine.west, mine.south))
WHERE mine.dataset = ANY($1)
  AND other.dataset <> mine.dataset
ORDER BY mine.dataset, other.dataset
"""
LIST_FIRST: Final = """
SELECT DISTINCT ON (release.dataset)
    release.id, release.dataset, release.period_from, release.period_to,
    dataset.product, revocation.release IS NOT NULL AS is_called_back, release.sealed_at
FROM release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN revocation ON revocation.release = release.id
WHERE release.dataset = ANY($1)
  AND release.state = 'sealed'
ORDER BY release.dataset, revocation.release IS NOT NULL, release.sealed_at, release.id
"""
LIST_DRAWN: Final = "SELECT dataset, version FROM picture WHERE dataset = ANY($1)"
READ_DRAWN: Final = "SELECT dataset, version, drawn FROM picture WHERE dataset = ANY($1)"
LIST_UNDRAWN: Final = """
SELECT footprint.dataset
FROM footprint
LEFT JOIN picture ON picture.dataset = footprint.dataset
WHERE picture.dataset IS NULL
ORDER BY footprint.dataset
"""
LIST_FORMER: Final = """
SELECT dataset, release, own_zones, CASE WHEN dataset = $1 THEN drawn END AS drawn
FROM former_map
WHERE dataset = ANY($2)
   OR dataset IN (SELECT footprint.dataset FROM footprint WHERE footprint.measured_at IS NULL)
ORDER BY drawn_at, version
"""


class Declared(Struct, frozen=True):
    """A dataset as it was declared; this never changes."""

    code: str
    created_at: dt.datetime


class KeySet(Struct, frozen=True):
    """A dataset's zones."""

    zone_table: str | None
    zones: list[str]
    h3_resolution: int


class Near(Struct, frozen=True):
    """Two datasets whose boxes meet."""

    dataset: str
    near: str


class First(Struct, frozen=True):
    """The release that a dataset's picture is of; its period is half-open."""

    id: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    product: str
    is_called_back: bool
    """True if all of its releases are called back."""
    sealed_at: dt.datetime

    @property
    def rank(self) -> tuple[bool, bool, dt.datetime, str]:
        """Its order among the datasets of one ground: those with a map first, then by sealing."""
        return self.is_called_back, PRODUCTS[self.product].is_between_zones, self.sealed_at, self.dataset


class Version(Struct, frozen=True):
    """The version of a dataset's picture."""

    dataset: str
    version: uuid.UUID


class Drawn(Struct, frozen=True):
    """A stored picture of a dataset."""

    dataset: str
    version: uuid.UUID
    drawn: bytes


class Former(Struct, frozen=True):
    """A map that strangers once saw, and the zones that it was the first to show.

    drawn: the stored picture, if it is of the dataset in question.
    """

    dataset: str
    release: uuid.UUID
    own_zones: list[str]
    drawn: bytes | None


async def list_near(datasets: Sequence[str]) -> list[Near]:
    """Return the datasets whose boxes meet those of some; all that have a release are measured."""
    return await fetch_rows(Near, LIST_NEAR, list(datasets))


def segmented() -> list[str]:
    """Return the products whose cells have their own segments instead of a dataset's age bands."""
    return [product.code for product in PRODUCTS.values() if product.segments]


async def list_grounds(datasets: Sequence[Declared]) -> dict[str, int]:
    """Return a number for each of some datasets, the same for datasets that share zones, directly or through others.

    All of them count by zones of one table and level. The result for the same datasets is cached.
    """
    asked = tuple(datasets)
    if (known := _known().get(asked)) is None:
        key_sets = await fetch_rows(KeySet, LIST_KEY_SETS, [one.code for one in asked])
        geography = await get_geography(key_sets[0].zone_table if key_sets else None)
        numbers = await asyncio.to_thread(
            lambda: rules.grounds([key_zones(one.zones, one.h3_resolution, geography) for one in key_sets])
        )
        known = dict(zip((one.code for one in asked), numbers, strict=True))
        _known()[asked] = known
        if len(_known()) > KNOWN_GROUNDS:
            _known().pop(next(iter(_known())))
    return known


@functools.cache
def _known() -> dict[tuple[Declared, ...], dict[str, int]]:
    return {}


async def list_firsts(datasets: Sequence[str]) -> dict[str, First]:
    """Return the release that the picture of each of some datasets is of, leaving out datasets without a release."""
    return {row.dataset: row for row in await fetch_rows(First, LIST_FIRST, sorted(datasets))}


async def list_before(datasets: Sequence[str]) -> dict[str, list[First]]:
    """Return the pictures near each of some datasets in turn, up to its own."""
    near: dict[str, list[str]] = {dataset: [] for dataset in datasets}
    for row in await list_near(datasets):
        near[row.dataset].append(row.near)
    firsts = await list_firsts([*{*near, *(one for some in near.values() for one in some)}])
    found = {}
    for dataset, others in near.items():
        own = firsts[dataset]
        earlier = [firsts[one] for one in others if one in firsts and firsts[one].rank < own.rank]
        found[dataset] = [*sorted(earlier, key=lambda one: one.rank), own]
    return found


async def list_versions(datasets: Sequence[str]) -> dict[str, uuid.UUID]:
    """Return the version of the picture of each of some datasets, leaving out datasets without one."""
    return {row.dataset: row.version for row in await fetch_rows(Version, LIST_DRAWN, list(datasets))}


async def read_drawn(datasets: Sequence[str]) -> list[Drawn]:
    """Return the stored pictures of some datasets, leaving out datasets without one."""
    return await fetch_rows(Drawn, READ_DRAWN, list(datasets))


async def list_former(dataset: str) -> list[Former]:
    """Return the maps that strangers once saw near a dataset (its own too) or of one not measured, as drawn in turn."""
    near = [row.near for row in await list_near([dataset])]
    return await fetch_rows(Former, LIST_FORMER, dataset, [dataset, *near])


async def is_measured(dataset: str) -> bool:
    """Return whether a dataset's position is known."""
    statement = "SELECT measured_at IS NOT NULL FROM footprint WHERE dataset = $1"
    return bool(await fetch_scalar(bool, statement, dataset))


async def list_undrawn() -> list[First]:
    """Return the pictures to draw, in turn."""
    datasets = await fetch_column(str, LIST_UNDRAWN)
    return sorted((await list_firsts(datasets)).values(), key=lambda one: one.rank)
