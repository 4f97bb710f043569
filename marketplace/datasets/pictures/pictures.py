"""Releases at a glance, from published cells alone: one picture of each ground for strangers, all figures for buyers.

Strangers see one release of a dataset drawn, regardless of which they look at: the first that was sealed or, if it was
called back, the next. It is shown with its own period. A new picture each week would be free of charge, and many of
them together reveal nearly what is sold. So would pictures of several datasets of one ground, by any zones, times or
people. Each piece of ground is therefore drawn once, for the first sealed dataset there that has a map. A zone of
another dataset there gets the class already drawn, which reveals nothing new.

A picture is drawn once and stored, by a job or by the first page that shows it; a recall deletes all pictures that
depend on the release. A new picture of the same release has the same map. For other releases a ground has MOST_MAPS in
all, and then no map. A picture stays when the operator's secret changes, although places would move by other
amounts: a map drawn again would be a second one of the same ground. Only later pictures use the new secret.
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

from marketplace.core import object_store
from marketplace.core.errors import Refusal
from marketplace.core.settings import settings
from marketplace.core.web import maps
from marketplace.core.web.maps import Frame, Outlines
from marketplace.datasets.geography.queries import get_geography
from marketplace.datasets.pictures.actions import NewPicture, keep_drawn, measure_new
from marketplace.datasets.pictures.queries import (
    First,
    Former,
    list_before,
    list_firsts,
    list_former,
    list_undrawn,
    list_versions,
    read_drawn,
)
from marketplace.datasets.pictures.rules import Zoning, shared_ground, zones_shown
from marketplace.datasets.releases.queries import cells, get_dataset, key_zones
from marketplace.privacy.free_preview import Glance, Ground, ReleaseNumbers, centres, draw, whole
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence

Key = TypeVar("Key")
Value = TypeVar("Value")
MOST_KNOWN: Final = 200
"""Half a megabyte each at most, plus the names of its zones."""
MOST_AT_ONCE: Final = 30
"""The most pictures that a page draws, including those they depend on; larger work is left to the job."""
MOST_COMPARED: Final = 500
"""The most pairs of datasets of one ground that a page compares; a millisecond each, more for large ones."""
MOST_MAPS: Final = 2
"""The most maps of one ground that strangers ever see, each of another release after the previous one was called
back."""
BATCH_SIZE: Final = 20


class Shown(Protocol):
    """A sealed release of a dataset, as a page shows it."""

    @property
    def id(self) -> uuid.UUID:
        """Return its id."""

    @property
    def dataset(self) -> str:
        """Return its dataset's code."""


@dataclass(frozen=True, slots=True)
class Free:
    """The picture of a dataset that anybody sees, for all of its releases."""

    zones: tuple[str, ...]
    """Zones of the key set, ascending, published or withheld."""
    outlines: Outlines
    """Outlines of the zones that are drawn."""
    glance: Glance
    drawn: First
    """The release of the curve and the sample, and of the map unless it repeats another's."""
    repeats: First | None
    """The release of another dataset whose map it repeats; None if its map is its own, or it has none."""
    is_over: bool
    """Whether some or all zones are left out because the most maps allowed were shown of them and called back."""


class _Glance(Struct):
    """The stored form of a `Glance`."""

    classes: dict[str, int]
    curve: list[tuple[dt.datetime, int]]
    sample: list[dict[str, Any]]
    explained: float
    moved: dict[str, float]
    may_show_times: bool


class _Written(Struct):
    """The stored form of a `Free`."""

    zones: tuple[str, ...]
    paths: dict[str, str]
    height: int
    frame: Frame | None
    glance: _Glance
    drawn: First
    repeats: First | None
    is_over: bool


Found: TypeAlias = "Free | BaseException | None"
"""A picture, None if it is not drawn, or the error."""


@dataclass(frozen=True, slots=True)
class Before:
    """The pictures drawn before another dataset's, near it."""

    first: First
    zoning: Zoning
    glance: Glance


@dataclass(frozen=True, slots=True)
class Past:
    """A map that strangers once saw: its release, the zones it was the first to show, and its content if needed."""

    release: uuid.UUID
    shown: Zoning
    written: _Written | None


@dataclass(frozen=True, slots=True)
class Picture:
    """A release at a glance."""

    zones: tuple[str, ...]
    outlines: Outlines
    glance: Glance
    """From the dataset's `Free`."""
    drawn: First
    """The release of the curve and the sample, and of the map unless it repeats another's; it may be another
    release."""
    repeats: First | None
    """From `Free`."""
    is_over: bool = False
    """From `Free`."""
    is_drawn: bool = True
    """Whether it is drawn yet; until then nothing of it is shown."""


async def picture(release: Shown) -> Picture:
    """Return a sealed release at a glance; an empty picture if much must be drawn first, until a job has done so."""
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
    """Return some releases at a glance by their id; a page is shown without the pictures that are not drawn yet.

    The same applies if the object store does not answer.
    """
    found = await _find(sorted({release.dataset for release in releases}))
    for one in found.values():
        _raise_unforeseen(one)
    return {release.id: _picture(free) for release in releases if isinstance(free := found.get(release.dataset), Free)}


async def numbers(release: uuid.UUID, seen: Picture) -> ReleaseNumbers:
    """Return the figures of a sealed release itself, not for strangers; computed once a process."""
    known = _wholes().get(release)
    if known is None:
        table = await cells(release)
        known = await asyncio.to_thread(whole, table, _counted_by(table, seen.zones, seen.drawn.product))
        _remember(_wholes(), release, known)
    return known


async def draw_missing(of: Collection[str] | None = None) -> int:
    """Draw the missing pictures, of first releases or after a recall, and return how many are stored.

    of: the datasets to draw, with those they depend on; None: all. Pictures that the object store cannot serve now are
    tried again, with all that depend on them.
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
    """Return the pictures of some datasets, within the time a page may wait."""
    await measure_new()
    return await _Drawing(MOST_AT_ONCE, MOST_COMPARED).find(datasets)


class _Drawing:
    """Finds pictures and draws missing ones, each once; its zones are read once for all pictures that depend on it."""

    def __init__(self, most: int | None = None, compared: int = 0) -> None:
        """Start without pictures. most, compared: limits on drawing and comparing; None: draw all that is missing."""
        self._most, self._compared = most, compared
        self._zonings: dict[str, asyncio.Task[Zoning]] = {}
        self._begin()

    def _begin(self) -> None:
        self._before: dict[str, list[First]] = {}
        self._versions: dict[str, uuid.UUID] = {}
        self._kept: dict[str, Free] = {}
        self._frees: dict[str, asyncio.Task[Free | None]] = {}

    async def find(self, datasets: Sequence[str]) -> dict[str, Found]:
        """Return the pictures of some datasets, drawing missing ones; None or the error for a failed one."""
        self._begin()
        await self._read(datasets)
        found: dict[str, Found] = {name: self._kept.get(name) for name in datasets}
        missing = [name for name in datasets if name not in self._kept]
        if missing and await self._plan(missing):
            drawn = await asyncio.gather(*map(self._free, missing), return_exceptions=True)
            found |= dict(zip(missing, drawn, strict=True))
        return found

    async def _read(self, datasets: Sequence[str]) -> None:
        """Read the stored pictures of some datasets; each version once a process, within the memory limit."""
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
        """Find the pictures to draw for some datasets, and their order; return False if they are too many."""
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
        """Draw and store the picture of a dataset, after the earlier pictures of its ground.

        None if an earlier picture changed while it was drawn.
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
        )  # nobody saw a map of a release that was called back before it was drawn
        versions = {one.dataset: self._versions[one.dataset] for one in others}
        if not await keep_drawn(self._before[dataset], versions, former, NewPicture(uuid.uuid4(), content, shown)):
            return None
        await self._read([dataset])  # the stored one: another process may have been first
        return self._kept.get(dataset)

    async def _past(self, former: Former) -> Past:
        """Return a map that strangers once saw."""
        zoning = await self._zoning(former.dataset)
        written = None if former.drawn is None else msgspec.msgpack.decode(former.drawn, type=_Written)
        return Past(former.release, replace(zoning, zones=former.own_zones), written)


async def _once(
    begun: dict[str, asyncio.Task[Value]], name: str, begin: Callable[[], Coroutine[Any, Any, Value]]
) -> Value:
    """Return the result of the task of this name, which starts when it is first asked for."""
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
def _wholes() -> dict[uuid.UUID, ReleaseNumbers]:
    return {}


def _counted_by(table: Any, zones: tuple[str, ...], product: str) -> Sequence[str]:  # noqa: ANN401 (pyarrow's table)
    """Return the zones of a key set or, for flows between them, the pairs in a release."""
    return sorted(set(table["zone"].to_pylist())) if PRODUCTS[product].is_between_zones else zones


def _draw(
    table: Any,  # noqa: ANN401 (pyarrow's table)
    here: Zoning,
    first: First,
    before: Sequence[Before],
    past: Sequence[Past],
) -> tuple[bytes, list[str]]:
    """Return a release's picture in its stored form, and the zones that its map is the first to show.

    before: the pictures near it, in turn. past: the maps near it that strangers once saw, in turn.
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
    """Return a stored picture."""
    kept = msgspec.msgpack.decode(drawn, type=_Written)
    seen = Glance(**msgspec.structs.asdict(kept.glance))
    return Free(kept.zones, Outlines(kept.paths, kept.height, kept.frame), seen, kept.drawn, kept.repeats, kept.is_over)


def _mean_classes(shared: Mapping[str, Sequence[str]], seen: Glance) -> dict[str, int | None]:
    """Return the class of each zone from the zones of another map there; None if that map has none of them."""
    found: dict[str, int | None] = {}
    for zone, those in shared.items():
        known = [seen.classes[one] for one in those if one in seen.classes]
        found[zone] = round(sum(known) / len(known)) if known else None
    return found
