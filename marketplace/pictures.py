"""Releases at a glance, from their published cells alone: one picture of each ground for strangers, all figures for who bought.

Strangers see one release of a dataset drawn, whichever they look at: the first that was sealed, or, where it was called
back, the next. It is shown with its own period. A picture a week would be free otherwise, and many of them together say
far more than one: nearly what is sold. So do pictures of several datasets of one ground, by any zones, times or people
they count by. Each piece of ground is therefore drawn once, by the first of them that was sealed and has a map; a zone of
another that lies there has the class that was drawn, which says nothing new.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import itertools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from msgspec import Struct

from marketplace import object_store
from marketplace.database import fetch_rows
from marketplace.datasets.queries import cells, get_dataset, key_zones
from marketplace.errors import Refusal
from marketplace.footprints.actions import measure_new
from marketplace.footprints.queries import list_near
from marketplace.footprints.rules import Zoning, shared_ground
from marketplace.glance import Glance, Ground, Whole, centres, draw, whole
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.settings import settings
from marketplace.web import maps
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from marketplace.web.maps import Outlines

Key = TypeVar("Key")
Value = TypeVar("Value")
MOST_KNOWN: Final = 200
"""Half a megabyte each at most, and the names of its zones."""

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


class First(Struct, frozen=True):
    """The release that a dataset's picture is of; its period is half-open."""

    id: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    product: str
    is_called_back: bool
    """True where all of its releases are."""
    sealed_at: dt.datetime

    @property
    def rank(self) -> tuple[bool, bool, dt.datetime, str]:
        """When it is drawn among those of one ground: what has a map comes first, then what was sealed first."""
        return self.is_called_back, PRODUCTS[self.product].is_between_zones, self.sealed_at, self.dataset


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
    repeats: First | None
    """The release of another dataset whose map it repeats; None where its map is its own, or it has none."""


@dataclass(frozen=True, slots=True)
class Before:
    """What is drawn before another dataset, near it."""

    first: First
    zoning: Zoning
    glance: Glance


@dataclass(frozen=True, slots=True)
class Picture:
    """A release at a glance."""

    zones: tuple[str, ...]
    outlines: Outlines
    glance: Glance
    """As `Free` has them: of the dataset's picture."""
    drawn: First
    """The release that curve and sample are of, and the map unless it repeats another's: the same one or another."""
    repeats: First | None
    """As `Free` has it."""
    whole: Whole
    """The release itself in numbers: not for strangers."""


async def picture(release: Shown) -> Picture:
    """Return a sealed release at a glance."""
    return await (await _survey([release.dataset])).picture(release)


async def pictures(releases: Sequence[Shown]) -> dict[uuid.UUID, Picture]:
    """Return some releases at a glance by their id; where the store gives none, a page is shown without its picture."""
    survey = await _survey(sorted({release.dataset for release in releases}))

    async def attempt(release: Shown) -> Picture | None:
        try:
            return await survey.picture(release)
        except (Refusal, *object_store.TROUBLES):
            return None

    drawn = await asyncio.gather(*map(attempt, releases))
    return {release.id: known for release, known in zip(releases, drawn, strict=True) if known}


async def _survey(datasets: Sequence[str]) -> _Survey:
    """Look up, for some datasets and each one that those depend on, what is drawn near it in turn, down to itself."""
    await measure_new()
    nearby: dict[str, list[First]] = {}
    firsts: dict[str, First] = {}
    wanted = list(datasets)
    while wanted:
        near: dict[str, list[str]] = {dataset: [] for dataset in wanted}
        for row in await list_near(wanted):
            near[row.dataset].append(row.near)
        unknown = {*wanted, *itertools.chain(*near.values())} - firsts.keys()
        firsts |= {row.dataset: row for row in await fetch_rows(First, LIST_FIRST, sorted(unknown))}
        for dataset, others in near.items():
            own = firsts[dataset]
            earlier = [firsts[one] for one in others if one in firsts and firsts[one].rank < own.rank]
            nearby[dataset] = [*sorted(earlier, key=lambda one: one.rank), own]
        wanted = sorted({one.dataset for some in nearby.values() for one in some} - nearby.keys())
    return _Survey(nearby)


class _Survey:
    """What is drawn near some datasets; each of them is drawn, and its zones are read, once however many depend on it."""

    def __init__(self, nearby: dict[str, list[First]]) -> None:
        """Begin with nothing drawn. nearby: of each dataset, what is drawn near it in turn, down to itself."""
        self._nearby = nearby
        self._frees: dict[str, asyncio.Task[Free]] = {}
        self._zonings: dict[str, asyncio.Task[Zoning]] = {}

    async def picture(self, release: Shown) -> Picture:
        """Return a release at a glance, each part computed once a process: a release never changes."""
        drawn = self._nearby[release.dataset][-1]
        free = await self._free(drawn)
        numbers = _wholes().get(release.id)
        if numbers is None:
            table = await cells(release.id)
            counted = await get_dataset(release.dataset)
            numbers = await asyncio.to_thread(whole, table, _counted_by(table, free.zones, counted.product))
            _remember(_wholes(), release.id, numbers)
        return Picture(free.zones, free.outlines, free.glance, drawn, free.repeats, numbers)

    async def _free(self, drawn: First) -> Free:
        return await _once(self._frees, drawn.dataset, lambda: self._draw(drawn))

    async def _zoning(self, dataset: str) -> Zoning:
        return await _once(self._zonings, dataset, lambda: _zoning(dataset))

    async def _draw(self, drawn: First) -> Free:
        """Return what anybody sees of a dataset, after what is drawn of its ground before it."""
        key = drawn.id, self._depends_on(drawn)
        known = _frees().get(key)
        if known is None:
            before = [
                Before(one, await self._zoning(one.dataset), (await self._free(one)).glance)
                for one in self._nearby[drawn.dataset][:-1]
                if not one.is_called_back
            ]
            here = await self._zoning(drawn.dataset)
            known = await asyncio.to_thread(_draw, await cells(drawn.id), here, drawn.product, before)
            _remember(_frees(), key, known)
        return known

    def _depends_on(self, drawn: First) -> frozenset[uuid.UUID]:
        """Return the releases that are drawn near one of a dataset and before it, and near those, itself included."""
        found, wanted = {drawn.dataset: drawn}, [drawn]
        while wanted:
            near = {one.dataset: one for some in wanted for one in self._nearby[some.dataset]}
            wanted = [one for name, one in near.items() if name not in found]
            found |= near
        return frozenset(one.id for one in found.values())


async def _once(
    begun: dict[str, asyncio.Task[Value]], name: str, begin: Callable[[], Coroutine[Any, Any, Value]]
) -> Value:
    """Return what a task of this name found or finds, begun the first time it is asked for."""
    if name not in begun:
        begun[name] = asyncio.create_task(begin())
    return await begun[name]


async def _zoning(dataset: str) -> Zoning:
    terms = await get_dataset(dataset)
    return Zoning(await key_zones(dataset), await get_geography(terms.zone_table), terms.h3_resolution)


def _remember(known: dict[Key, Value], key: Key, value: Value) -> None:
    known[key] = value
    if len(known) > MOST_KNOWN:
        known.pop(next(iter(known)))


@functools.cache
def _frees() -> dict[tuple[uuid.UUID, frozenset[uuid.UUID]], Free]:
    return {}


@functools.cache
def _wholes() -> dict[uuid.UUID, Whole]:
    return {}


def _counted_by(table: Any, zones: tuple[str, ...], product: str) -> Sequence[str]:  # noqa: ANN401 (pyarrow's table)
    """Return the zones of a key set or, of flows between them, the pairs that a release has."""
    return sorted(set(table["zone"].to_pylist())) if PRODUCTS[product].is_between_zones else zones


def _draw(table: Any, here: Zoning, product: str, before: Sequence[Before]) -> Free:  # noqa: ANN401 (pyarrow's table)
    """Return a release as anybody sees it; before: what is drawn near it, in turn."""
    zones = tuple(here.zones)
    shapes = {} if PRODUCTS[product].is_between_zones else {zone: here.geography.shape(zone) for zone in zones}
    classes: dict[str, int | None] = {}
    on_ground = []
    for one in before:
        shared = shared_ground(here, one.zoning)
        on_ground += [one] if shared else []
        if shapes and not PRODUCTS[one.first.product].is_between_zones:
            classes = _mean_classes(shared, one.glance) | classes
    ground = Ground(classes, all(one.glance.may_show_times for one in on_ground)) if on_ground else None
    drawn = draw(
        table,
        _counted_by(table, zones, product),
        centres(shapes),
        settings().secret.encode(),
        maps.MOST_DRAWN,
        ground=ground,
    )
    outlines = maps.outline({zone: shapes[zone] for zone in drawn.classes if zone in shapes})
    return Free(zones, outlines, drawn, on_ground[0].first if classes else None)


def _mean_classes(shared: Mapping[str, Sequence[str]], seen: Glance) -> dict[str, int | None]:
    """Return the class of each zone, given the zones of another map that lie there; None where that has none of them."""
    found: dict[str, int | None] = {}
    for zone, those in shared.items():
        known = [seen.classes[one] for one in those if one in seen.classes]
        found[zone] = round(sum(known) / len(known)) if known else None
    return found
