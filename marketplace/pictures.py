"""Releases at a glance, from their published cells alone: one picture a dataset for strangers, all figures for who bought.

Strangers see one release of a dataset drawn, whichever they look at: the first that was sealed, or, where it was called
back, the next. It is shown with its own period. A picture a week would be free otherwise, and many of them together say
far more than one: nearly what is sold.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from msgspec import Struct

from marketplace import object_store
from marketplace.database import fetch_rows
from marketplace.datasets.queries import cells, get_dataset, key_zones
from marketplace.errors import Refusal
from marketplace.glance import Glance, Whole, centres, draw, whole
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.settings import settings
from marketplace.web import maps
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.privacy.geography import Geography
    from marketplace.web.maps import Outlines

Value = TypeVar("Value")
MOST_KNOWN: Final = 200
"""Half a megabyte each at most, and the names of its zones."""

LIST_FIRST: Final = """
SELECT DISTINCT ON (release.dataset) release.id, release.dataset, release.period_from, release.period_to
FROM release
LEFT JOIN revocation ON revocation.release = release.id
WHERE release.dataset = ANY($1)
  AND release.state = 'sealed'
ORDER BY release.dataset, revocation.release IS NOT NULL, release.sealed_at, release.id
"""


class First(Struct, frozen=True):
    """The release that a dataset's picture is of; its period is half-open."""

    id: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime


class Shown(Protocol):
    """A sealed release of a dataset, such as a page shows."""

    @property
    def id(self) -> uuid.UUID:
        """Return its id."""

    @property
    def dataset(self) -> str:
        """Return its dataset's code."""


@dataclass(frozen=True, slots=True)
class Free:
    """What anybody sees of a dataset, whichever of its releases they look at."""

    zones: tuple[str, ...]
    """Of the key set, ascending, published or withheld."""
    outlines: Outlines
    """Of the zones that are drawn."""
    glance: Glance


@dataclass(frozen=True, slots=True)
class Picture:
    """A release at a glance."""

    zones: tuple[str, ...]
    outlines: Outlines
    glance: Glance
    """As `Free` has them: of the dataset's picture."""
    drawn: First
    """The release that it is of, the same one or another."""
    whole: Whole
    """The release itself in numbers: not for strangers."""


async def picture(release: Shown) -> Picture:
    """Return a sealed release at a glance."""
    (drawn,) = await fetch_rows(First, LIST_FIRST, [release.dataset])
    return await _picture(release, drawn)


async def pictures(releases: Sequence[Shown]) -> dict[uuid.UUID, Picture]:
    """Return some releases at a glance by their id; where the store gives none, a page is shown without its picture."""
    found = await fetch_rows(First, LIST_FIRST, sorted({release.dataset for release in releases}))
    first = {one.dataset: one for one in found}

    async def attempt(release: Shown) -> Picture | None:
        try:
            return await _picture(release, first[release.dataset])
        except (Refusal, *object_store.TROUBLES):
            return None

    drawn = await asyncio.gather(*map(attempt, releases))
    return {release.id: known for release, known in zip(releases, drawn, strict=True) if known}


async def _picture(release: Shown, drawn: First) -> Picture:
    """Return a release at a glance, each part computed once a process: a release never changes."""
    free = await _free(drawn)
    numbers = _wholes().get(release.id)
    if numbers is None:
        table = await cells(release.id)
        counted = await get_dataset(release.dataset)
        numbers = await asyncio.to_thread(whole, table, _counted_by(table, free.zones, counted.product))
        _remember(_wholes(), release.id, numbers)
    return Picture(free.zones, free.outlines, free.glance, drawn, numbers)


async def _free(drawn: First) -> Free:
    known = _frees().get(drawn.id)
    if known is None:
        counted = await get_dataset(drawn.dataset)
        geography, zones = await get_geography(counted.zone_table), await key_zones(drawn.dataset)
        known = await asyncio.to_thread(_draw, await cells(drawn.id), zones, geography, counted.product)
        _remember(_frees(), drawn.id, known)
    return known


def _remember(known: dict[uuid.UUID, Value], release: uuid.UUID, value: Value) -> None:
    known[release] = value
    if len(known) > MOST_KNOWN:
        known.pop(next(iter(known)))


@functools.cache
def _frees() -> dict[uuid.UUID, Free]:
    return {}


@functools.cache
def _wholes() -> dict[uuid.UUID, Whole]:
    return {}


def _counted_by(table: Any, zones: tuple[str, ...], product: str) -> Sequence[str]:  # noqa: ANN401 (pyarrow's table)
    """Return the zones of a key set or, of flows between them, the pairs that a release has."""
    return sorted(set(table["zone"].to_pylist())) if PRODUCTS[product].is_between_zones else zones


def _draw(table: Any, zones: tuple[str, ...], geography: Geography, product: str) -> Free:  # noqa: ANN401 (pyarrow's table)
    shapes = {} if PRODUCTS[product].is_between_zones else {zone: geography.shape(zone) for zone in zones}
    counted_by = _counted_by(table, zones, product)
    drawn = draw(table, counted_by, centres(shapes), settings().secret.encode(), maps.MOST_DRAWN)
    return Free(zones, maps.outline({zone: shapes[zone] for zone in drawn.classes if zone in shapes}), drawn)
