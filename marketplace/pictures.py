"""Releases at a glance, from their published cells alone: one picture of each ground for strangers, all figures for who bought.

Strangers see one release of a dataset drawn, whichever they look at: the first that was sealed, or, where it was called
back, the next. It is shown with its own period. A picture a week would be free otherwise, and many of them together say
far more than one: nearly what is sold. So do pictures of several datasets of one ground, by any zones, times or people
they count by. Each piece of ground is therefore drawn once, by the first of them that was sealed and has a map; a zone of
another that lies there has the class that was drawn, which says nothing new.

A picture is drawn once and kept, by a job or by the first page that shows it; what is called back deletes all that depend
on it. What is drawn again of the same release has the map that it had; of other releases a ground has MOST_MAPS for ever,
and then none. It is kept under another secret of the operator's, too, though that would move places by other amounts: a map drawn
again would be a second one of the same ground. Only what is drawn later has the new amounts.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import functools
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import Struct

from marketplace import object_store
from marketplace.datasets.queries import cells, get_dataset, key_zones
from marketplace.errors import Refusal
from marketplace.footprints.actions import NewPicture, keep_drawn, measure_new
from marketplace.footprints.queries import (
    First,
    Former,
    list_before,
    list_firsts,
    list_former,
    list_undrawn,
    list_versions,
    read_drawn,
)
from marketplace.footprints.rules import Zoning, shared_ground, zones_shown
from marketplace.glance import Glance, Ground, Whole, centres, draw, whole
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.settings import settings
from marketplace.web import maps
from marketplace.web.maps import Frame, Outlines
from marketplace.zones.queries import get_geography

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence

Key = TypeVar("Key")
Value = TypeVar("Value")
MOST_KNOWN: Final = 200
"""Half a megabyte each at most, and the names of its zones."""
MOST_AT_ONCE: Final = 30
"""Pictures that a page draws, those that its own depend on included; what needs more is left to the job."""
MOST_COMPARED: Final = 500
"""Pairs of datasets of one ground that a page compares; a millisecond each and, of large ones, more."""
MOST_MAPS: Final = 2
"""Maps that strangers see of one ground for ever: each is of another release, the one before it having been called back."""
BATCH_SIZE: Final = 20


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
    drawn: First
    """The release that curve and sample are of, and the map unless it repeats another's."""
    repeats: First | None
    """The release of another dataset whose map it repeats; None where its map is its own, or it has none."""
    is_over: bool
    """Whether zones are left out, some or all, since as many maps as may be were shown of them, and called back."""


class _Glance(Struct):
    """A `Glance` as it is kept."""

    classes: dict[str, int]
    curve: list[tuple[dt.datetime, int]]
    sample: list[dict[str, Any]]
    explained: float
    moved: dict[str, float]
    may_show_times: bool


class _Written(Struct):
    """A `Free` as it is kept."""

    zones: tuple[str, ...]
    paths: dict[str, str]
    height: int
    frame: Frame | None
    glance: _Glance
    drawn: First
    repeats: First | None
    is_over: bool = False


Found: TypeAlias = "Free | BaseException | None"
"""A picture, None where it is not drawn, or what was in the way."""


@dataclass(frozen=True, slots=True)
class Before:
    """What is drawn before another dataset, near it."""

    first: First
    zoning: Zoning
    glance: Glance


@dataclass(frozen=True, slots=True)
class Past:
    """A map that strangers saw once: of which release, where it was the first to show zones, and itself where it is needed."""

    release: uuid.UUID
    shown: Zoning
    written: _Written | None


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
    is_over: bool = False
    """As `Free` has it."""
    is_drawn: bool = True
    """Whether it is drawn yet; nothing of it is shown before."""


async def picture(release: Shown) -> Picture:
    """Return a sealed release at a glance; where much is to be drawn before it, a picture without anything, until a job has."""
    found = await _find([release.dataset])
    free = found.get(release.dataset)
    if isinstance(free, BaseException):
        raise free
    if free is None:
        first = (await list_firsts([release.dataset]))[release.dataset]
        nothing = Glance({}, [], [], 0.0, {})
        return Picture(await key_zones(release.dataset), maps.outline({}), nothing, first, None, is_drawn=False)
    return _picture(free)


async def pictures(releases: Sequence[Shown]) -> dict[uuid.UUID, Picture]:
    """Return some releases at a glance by their id; a page is shown without the picture of those that are not drawn yet.

    So it is where the store does not give what would have to be drawn.
    """
    found = await _find(sorted({release.dataset for release in releases}))
    for one in found.values():
        _raise_unforeseen(one)
    return {release.id: _picture(free) for release in releases if isinstance(free := found.get(release.dataset), Free)}


async def numbers(release: uuid.UUID, seen: Picture) -> Whole:
    """Return a sealed release itself in numbers, computed once a process, for a release never changes: not for strangers."""
    known = _wholes().get(release)
    if known is None:
        table = await cells(release)
        known = await asyncio.to_thread(whole, table, _counted_by(table, seen.zones, seen.drawn.product))
        _remember(_wholes(), release, known)
    return known


async def draw_missing(of: Collection[str] | None = None) -> int:
    """Draw what has no picture: what has its first release, or depends on what was called back. Return how many are kept.

    of: datasets, besides which only what they depend on is drawn; None: all. What the store does not give is tried again,
    as is all that depends on it.
    """
    await measure_new()
    waiting = [one.dataset for one in await list_undrawn() if of is None or one.dataset in of]
    drawing = _Drawing()
    found: dict[str, Found] = {}
    for start in range(0, len(waiting), BATCH_SIZE):
        found |= await drawing.find(waiting[start : start + BATCH_SIZE])
    for one in found.values():
        _raise_unforeseen(one)
    return sum(isinstance(one, Free) for one in found.values())


def _raise_unforeseen(found: Found) -> None:
    if isinstance(found, BaseException) and not isinstance(found, (Refusal, *object_store.TROUBLES)):
        raise found


def _picture(free: Free) -> Picture:
    return Picture(free.zones, free.outlines, free.glance, free.drawn, free.repeats, free.is_over)


async def _find(datasets: Sequence[str]) -> dict[str, Found]:
    """Return the pictures of some datasets, as far as a page may wait for them."""
    await measure_new()
    return await _Drawing(MOST_AT_ONCE, MOST_COMPARED).find(datasets)


class _Drawing:
    """Finds pictures, and draws those that are missing: each once, and its zones read once, however many depend on it."""

    def __init__(self, most: int | None = None, compared: int = 0) -> None:
        """Begin with nothing drawn. most, compared: how much is drawn at once, and compared; None: all that is missing."""
        self._most, self._compared = most, compared
        self._zonings: dict[str, asyncio.Task[Zoning]] = {}
        self._begin()

    def _begin(self) -> None:
        self._before: dict[str, list[First]] = {}
        self._versions: dict[str, uuid.UUID] = {}
        self._kept: dict[str, Free] = {}
        self._frees: dict[str, asyncio.Task[Free | None]] = {}

    async def find(self, datasets: Sequence[str]) -> dict[str, Found]:
        """Return the pictures of some datasets, those that are missing drawn; None or what went wrong where one cannot be."""
        self._begin()
        await self._read(datasets)
        found: dict[str, Found] = {name: self._kept.get(name) for name in datasets}
        missing = [name for name in datasets if name not in self._kept]
        if missing and await self._plan(missing):
            drawn = await asyncio.gather(*map(self._free, missing), return_exceptions=True)
            found |= dict(zip(missing, drawn, strict=True))
        return found

    async def _read(self, datasets: Sequence[str]) -> None:
        """Read the pictures of some datasets that are kept; each version once a process, as far as there is room."""
        versions = await list_versions(datasets)
        known = {name: (version, free) for name, version in versions.items() if (free := _frees().get(version))}
        unknown = sorted(versions.keys() - known.keys())
        for row in await read_drawn(unknown) if unknown else ():
            free = await asyncio.to_thread(_decode, row.drawn)
            _remember(_frees(), row.version, free)
            known[row.dataset] = row.version, free
        for name, (version, free) in known.items():
            self._versions[name], self._kept[name] = version, free

    async def _plan(self, missing: Sequence[str]) -> bool:
        """Look up what has to be drawn for some datasets, and after what; return False where it is too much."""
        wanted = list(missing)
        while wanted:
            self._before |= await list_before(wanted)
            compared = sum(len(some) for some in self._before.values())
            if self._most is not None and (len(self._before) > self._most or compared > self._compared):
                return False
            others = {one.dataset for some in self._before.values() for one in some} - self._before.keys()
            await self._read(sorted(others - self._kept.keys()))
            wanted = sorted(others - self._kept.keys())
        return True

    async def _free(self, dataset: str) -> Free | None:
        if dataset in self._kept:
            return self._kept[dataset]
        return await _once(self._frees, dataset, lambda: self._draw(dataset))

    async def _zoning(self, dataset: str) -> Zoning:
        return await _once(self._zonings, dataset, lambda: _zoning(dataset))

    async def _draw(self, dataset: str) -> Free | None:
        """Draw what anybody sees of a dataset after what is drawn of its ground before it, and keep it.

        None where what was before it changed meanwhile.
        """
        *others, drawn = self._before[dataset]
        before = []
        for one in others:
            free = await self._free(one.dataset)
            if free is None:
                return None
            if not one.is_called_back:
                before.append(Before(one, await self._zoning(one.dataset), free.glance))
        here = await self._zoning(dataset)
        former = await list_former(dataset)
        past = [await self._past(one) for one in former]
        content, own_zones = await asyncio.to_thread(_draw, await cells(drawn.id), here, drawn, before, past)
        shown = (
            [] if drawn.is_called_back else own_zones
        )  # nobody sees a map of what was called back before it was drawn
        versions = {one.dataset: self._versions[one.dataset] for one in others}
        if not await keep_drawn(self._before[dataset], versions, former, NewPicture(uuid.uuid4(), content, shown)):
            return None
        await self._read([dataset])  # as it is kept: another process may have been first
        return self._kept.get(dataset)

    async def _past(self, former: Former) -> Past:
        """Return a map that strangers saw once. Of one that a former version drew, zones where it repeated another are not its own."""
        zoning = await self._zoning(former.dataset)
        written = None if former.drawn is None else msgspec.msgpack.decode(former.drawn, type=_Written)
        zones: Sequence[str] | None = former.own_zones
        if zones is None:
            zones = zoning.zones if written is None else list(written.glance.classes)
            if written and written.repeats:
                repeated = shared_ground(replace(zoning, zones=zones), await self._zoning(written.repeats.dataset))
                zones = [zone for zone in zones if zone not in repeated]
        return Past(former.release, replace(zoning, zones=zones), written)


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
def _frees() -> dict[uuid.UUID, Free]:
    """Return pictures by their version."""
    return {}


@functools.cache
def _wholes() -> dict[uuid.UUID, Whole]:
    return {}


def _counted_by(table: Any, zones: tuple[str, ...], product: str) -> Sequence[str]:  # noqa: ANN401 (pyarrow's table)
    """Return the zones of a key set or, of flows between them, the pairs that a release has."""
    return sorted(set(table["zone"].to_pylist())) if PRODUCTS[product].is_between_zones else zones


def _draw(
    table: Any,  # noqa: ANN401 (pyarrow's table)
    here: Zoning,
    first: First,
    before: Sequence[Before],
    past: Sequence[Past],
) -> tuple[bytes, list[str]]:
    """Return a release as anybody sees it, to be kept, and the zones that its map is the first to show.

    before: what is drawn near it, in turn. past: what strangers saw near it once, in turn.
    """
    zones = tuple(here.zones)
    shapes = {} if PRODUCTS[first.product].is_between_zones else {zone: here.geography.shape(zone) for zone in zones}
    classes: dict[str, int | None] = {}
    on_ground = []
    for one in before:
        shared = shared_ground(here, one.zoning)
        on_ground += [one] if shared else []
        if shapes and not PRODUCTS[one.first.product].is_between_zones:
            classes = _mean_classes(shared, one.glance) | classes
    own = [(one.written, one.shown.zones) for one in past if one.release == first.id and one.written]
    over = zones_shown(here, ((one.release, one.shown) for one in past if one.release != first.id), MOST_MAPS)
    if own and own[0][0].glance.moved and not on_ground and not over:
        return _encode(msgspec.structs.replace(own[0][0], drawn=first)), list(own[0][1])
    again = {zone: written.glance.classes[zone] for written, of in reversed(own) for zone in of}
    known: dict[str, int | None] = dict.fromkeys(over) | again | classes
    may_show_times = not over and all(one.glance.may_show_times for one in on_ground)
    ground = Ground(known, may_show_times) if on_ground or known else None
    drawn = draw(
        table,
        _counted_by(table, zones, first.product),
        centres(shapes),
        settings().secret.encode(),
        maps.MOST_DRAWN,
        ground=ground,
    )
    outlines = maps.outline({zone: shapes[zone] for zone in drawn.classes if zone in shapes})
    repeats = on_ground[0].first if classes else None
    seen = _Glance(
        drawn.classes, drawn.curve, drawn.sample, float(drawn.explained), drawn.moved, bool(drawn.may_show_times)
    )
    is_over = bool(over and shapes)
    kept = _Written(zones, dict(outlines.paths), outlines.height, outlines.frame, seen, first, repeats, is_over)
    return _encode(kept), [zone for zone in drawn.classes if zone not in classes]


def _encode(written: _Written) -> bytes:
    return msgspec.msgpack.encode(written)


def _decode(drawn: bytes) -> Free:
    """Return a picture as it was kept."""
    kept = msgspec.msgpack.decode(drawn, type=_Written)
    seen = Glance(**msgspec.structs.asdict(kept.glance))
    return Free(kept.zones, Outlines(kept.paths, kept.height, kept.frame), seen, kept.drawn, kept.repeats, kept.is_over)


def _mean_classes(shared: Mapping[str, Sequence[str]], seen: Glance) -> dict[str, int | None]:
    """Return the class of each zone, given the zones of another map that lie there; None where that has none of them."""
    found: dict[str, int | None] = {}
    for zone, those in shared.items():
        known = [seen.classes[one] for one in those if one in seen.classes]
        found[zone] = round(sum(known) / len(known)) if known else None
    return found
