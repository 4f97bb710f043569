"""What a menu's offers hold, part by part, as `pricing.audit` compares it.

The rule this file keeps: of each area and span of time an offer is as good as what is published there, by the law that
its price follows. So where days, zones, hours, bands or some of all are withheld, an offer replaces nothing that it
lacks, and needs no replacement for what it lacks itself.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, islice, pairwise
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pricing.audit import UNLIMITED, Holdings, Limits, Offer
from pricing.money import MINOR_LIMIT
from pricing.quote import HOUR_SECONDS, PriceInputs, quality
from pricing.refusals import TooHard
from pricing.valuation import mean_freshness

PICO: Final = 10**12
MOST_AREAS: Final = 24
"""Of a group of releases; where which of them publish a zone would make more, that is left aside."""
MOST_PARTS: Final = 500_000
"""Of all offers of a group together: half a second of work for each instant that they are compared at."""
MOST_CELLS: Final = 10_000_000
"""Editions times areas times spans: a third of a gigabyte."""
_GRAIN: Final = 1_000_000
_LEAST: Final = 1e-9
"""Of worth, so that there is some."""
_DIGITS: Final = 36
"""Binary ones of what is lacking; floating point has more."""


class Pairs(NamedTuple):
    """How many cells are published of pairs of zones, by their numbers: n pairs, each once."""

    origin: NDArray[np.int32]
    end: NDArray[np.int32]
    cells: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Listed:
    """A release at an accuracy level, under a licence, for a price.

    starts_at: when its first day begins, in seconds since 1970. family: the release. product: what has one area, and one
    number of people in it. zones: of that area, ascending, where products differ in it. published: how many cells of each
    zone and day are, zones × days, where that is known. between_zones: whether cells are of pairs of zones, published by
    their first. pairs: how many are of which, over all days, where that is known. right: its rank, >= 0. months: the term, 0
    without end. is_held: the price is a partner's, once; is_posted: it may be bought at what its inputs cost, later too.
    edition: the release at its accuracy level; what is of one edition holds the same. limits: as an `Offer` has them.
    instead_minor: what is undercut by licences of its own family alone is so only below that; None: below its price.
    """

    name: str
    price_minor: int
    inputs: PriceInputs
    starts_at: int
    family: str
    product: str
    zones: Sequence[str] = ()
    published: NDArray[np.int64] | None = None
    between_zones: bool = False
    pairs: Pairs | None = None
    right: int = 0
    months: int = 0
    is_held: bool = False
    is_posted: bool = True
    edition: str = ""
    cells: NDArray[np.integer[Any]] | None = None
    limits: Limits = UNLIMITED
    instead_minor: int | None = None

    @property
    def bounds(self) -> list[int]:
        """Where each of its days begins, and where the last one ends."""
        hours = accumulate((day.hours for day in self.inputs.days), initial=0)
        return [self.starts_at + each * HOUR_SECONDS for each in hours]

    @property
    def steps(self) -> list[int]:
        """Where each step of its cells begins, and where the last one ends."""
        bounds = self.bounds
        is_of_days = self.cells is None or self.published is None or self.cells.shape[1] == self.published.shape[1]
        return bounds if is_of_days else list(range(bounds[0], bounds[-1] + 1, HOUR_SECONDS))


class Spanning(Protocol):
    """What lasts from the first of its bounds to the last."""

    @property
    def bounds(self) -> Sequence[Any]:
        """Instants, at least two, ascending."""


Spans = TypeVar("Spans", bound=Spanning)


def overlapping(items: Iterable[Spans]) -> Iterator[list[Spans]]:
    """Yield items in groups that share no moment with each other."""
    group: list[Spans] = []
    end = None
    for item in sorted(items, key=lambda item: (item.bounds[0], item.bounds[-1])):
        if end is not None and item.bounds[0] >= end:
            yield group
            group, end = [], None
        group.append(item)
        end = max(end or item.bounds[-1], item.bounds[-1])
    yield group


class _Area(NamedTuple):
    """Zones, or pairs of zones, that are alike: the products that have them, the (first) zones, how many there are, the ends."""

    products: frozenset[str]
    zones: frozenset[str]
    size: int
    ends: frozenset[str] = frozenset()


def offers_of(menu: Sequence[Listed]) -> list[Offer]:
    """Return what is listed as offers, whose parts are in `holdings_of`."""
    return [
        Offer(
            one.name,
            one.price_minor,
            {},
            one.family,
            right=one.right,
            months=one.months,
            fading=2.0 ** (-PriceInputs.month_seconds / one.inputs.half_life_seconds),
            product=one.product,
            limits=one.limits,
        )
        for one in menu
    ]


class _Grid(NamedTuple):
    """Areas × spans of time × segments of people, by the number of the part that each belongs to; bounds: of the spans.

    is_fine: spans are hours, or days of segments; else they are days, and segments are together.
    """

    areas: Sequence[_Area]
    bounds: NDArray[np.int64]
    parts: NDArray[np.int64]
    is_fine: bool

    def within(self, one: Listed) -> tuple[list[int], slice]:
        """Return the numbers of the areas and spans that a release has."""
        start, end = np.searchsorted(self.bounds, (one.bounds[0], one.bounds[-1])).tolist()
        return [number for number, area in enumerate(self.areas) if one.product in area.products], slice(start, end)

    def hours(self, within: slice) -> NDArray[np.float64]:
        """Return how long spans last."""
        return np.diff(self.bounds[within.start : within.stop + 1]) / HOUR_SECONDS


def holdings_of(menu: Sequence[Listed], half_life_seconds: int, now: int) -> Iterator[Iterator[Holdings]]:
    """Yield ways to look at what each of what is listed holds of areas and times; `now` is in seconds since 1970.

    One by areas that the same products have and the same releases publish at all, and one by zones that each publishes alike,
    where these are others; by products alone where both are too many. A way yields its holdings once by hours and segments
    that are full of the same releases, where they are known of all and not too many; and then by days, in case that those
    are too hard to look at. A span of time is as short as the days of any of them need. Refuses TooHard where all that is too
    much to look at.
    """
    bounds = np.array(sorted({bound for one in menu for bound in one.bounds}))
    worths, shares = _Worths(half_life_seconds, now), _Shares()
    editions = {one.edition or one.name: one for one in menu}

    def fits(areas: Sequence[_Area]) -> bool:
        number = Counter(code for area in areas for code in area.products)
        spans = ((one.product, np.searchsorted(bounds, (one.bounds[0], one.bounds[-1]))) for one in menu)
        parts = sum(number[product] * (end - start) for product, (start, end) in spans)
        return bool(parts <= MOST_PARTS and len(editions) * len(areas) * (len(bounds) - 1) <= MOST_CELLS)

    def grids(finest: Sequence[_Area], by_day: Sequence[_Area]) -> Iterator[_Grid]:
        if finest and fits(finest) and (grid := _by_step(menu, editions, finest, bounds, shares)):
            yield grid
        if by_day and fits(by_day):
            shape = len(by_day), len(bounds) - 1, 1
            yield _Grid(by_day, bounds, np.arange(np.prod(shape)).reshape(shape), is_fine=False)

    is_known = all(one.zones and one.cells is not None for one in menu) and len({one.product for one in menu}) > 1
    by_release, by_zone = _by_release(menu), _by_zone(menu, _cells_published)
    ways = [
        (by_release if is_known else [], by_release),
        (_by_zone(menu, _cells_within) if is_known else [], by_zone),
    ]
    if not (by_release and fits(by_release)) and not (by_zone and fits(by_zone)):
        ways = [([], areas := _areas(menu, _alike(menu, lambda _: ())))]
        if not fits(areas):
            msg = f"what is listed has more than {MOST_PARTS} parts; list fewer offers together"
            raise TooHard(msg)
    for way in ways:
        yield (_holdings(menu, editions, grid, worths, shares) for grid in grids(*way))


def _by_step(
    menu: Sequence[Listed],
    editions: Mapping[str, Listed],
    areas: Sequence[_Area],
    days: NDArray[np.int64],
    shares: "_Shares",
) -> _Grid | None:
    """Return hours and segments of each area and span of days, together where they are full of the same releases; None: too many.

    days: the bounds of spans of days.
    """
    segments = max(one.cells.shape[2] for one in menu if one.cells is not None)
    bounds = np.array(sorted({*days.tolist(), *(step for one in editions.values() for step in one.steps)}))
    day = np.repeat(np.arange(len(days) - 1), np.diff(np.searchsorted(bounds, days)))
    if len(areas) * len(day) * segments > MOST_CELLS:
        return None
    group = np.arange(len(areas))[:, None] * (len(days) - 1) + day
    grid = _Grid(areas, bounds, np.repeat(group[:, :, None], segments, axis=2), is_fine=True)
    blocks = {name: grid.within(one) for name, one in editions.items()}
    if sum(len(mine) * (spans.stop - spans.start) for mine, spans in blocks.values()) * segments > MOST_CELLS:
        return None
    last = len(areas) * len(days)
    for name, one in editions.items():
        mine, spans = blocks[name]
        rates, own = _rates(one, [areas[each] for each in mine], grid, spans, shares), day[spans]
        most = np.maximum.reduceat(rates.max(axis=2), np.searchsorted(own, np.unique(own)), axis=1)
        is_full = rates > most[:, own - own[0], None] / 2
        alike, parts = np.unique(2 * grid.parts[mine, spans] + is_full, return_inverse=True)
        grid.parts[mine, spans] = last + parts.reshape(is_full.shape)
        last += len(alike)
    _, parts = np.unique(grid.parts, return_inverse=True)
    grid = grid._replace(parts=parts.reshape(grid.parts.shape))
    number = {name: len(np.unique(grid.parts[block])) for name, block in blocks.items()}
    fits = sum(number[one.edition or one.name] for one in menu) <= MOST_PARTS
    return grid if fits and len(editions) * (grid.parts.max() + 1) <= MOST_CELLS else None


def _rates(one: Listed, areas: Sequence[_Area], grid: _Grid, spans: slice, shares: "_Shares") -> NDArray[np.float64]:
    """Return how many cells of areas are published an hour of each span and segment; areas: all that have the product's zones."""
    steps, cells = (one.steps, one.cells) if grid.is_fine else (one.bounds, one.published)
    assert cells is not None
    cells = cells[:, : len(steps) - 1].reshape(len(one.zones), -1)
    if one.between_zones:
        inside = np.stack(
            [(shares.of(one, area) * [zone in area.zones for zone in one.zones]) @ cells for area in areas]
        )
    else:
        area_of = {zone: number for number, area in enumerate(areas) for zone in area.zones}
        own = np.array([area_of[zone] for zone in one.zones])
        order = np.argsort(own, kind="stable")
        first = np.searchsorted(own[order], np.arange(len(areas)))
        inside = np.add.reduceat(cells[order], first, axis=0, dtype=float)
    inside = inside.reshape(len(areas), len(steps) - 1, -1) / (np.diff(steps)[:, None] / HOUR_SECONDS)
    return np.asarray(inside[:, np.searchsorted(steps, grid.bounds[spans], side="right") - 1])


def _holdings(
    menu: Sequence[Listed], editions: Mapping[str, Listed], grid: _Grid, worths: "_Worths", shares: "_Shares"
) -> Holdings:
    """Return what each of what is listed holds of the parts of a grid."""
    qualities = {one.name: good for one, good in zip(menu, _qualities(menu), strict=True)}
    finest = {one.family: qualities[one.name] for one in sorted(menu, key=lambda one: qualities[one.name])}
    zones = {one.product: frozenset(one.zones) for one in menu}
    sizes = np.array([area.size for area in grid.areas], float)[:, None] * worths.of(grid.bounds) / grid.parts.shape[2]
    worth = np.bincount(grid.parts.ravel(), np.repeat(sizes.ravel(), grid.parts.shape[2]))
    found = np.full((4, len(editions), len(worth)), np.inf)
    found[1] = 0
    for at, one in enumerate(editions.values()):
        mine, spans = grid.within(one)
        numbers, published = _published_shares(one, mine, grid, spans, shares)
        good, area_of = qualities[one.name], np.zeros(len(worth), int)
        area_of[grid.parts[mine, spans]] = np.arange(len(mine))[:, None, None]
        most = [_most_in_part(one, grid.areas[number], zones) if good == finest[one.family] else 1.0 for number in mine]
        own, across = (_losses(published, of) for of in (quality(one.inputs, Fraction(1), Fraction(1)), good))
        at_best = _losses(np.minimum(published * np.array(most)[area_of[numbers]], 1), good)
        size = np.where(np.isfinite(own), np.maximum(worth[numbers] / (1 + own / PICO), _LEAST), 0)
        found[:, at, numbers] = np.stack([own, size, across, at_best])
    number = {edition: at for at, edition in enumerate(editions)}
    variances, worthy, across, least = found
    rows = np.array([number[one.edition or one.name] for one in menu])
    return Holdings(variances, worthy, across, least, rows)


def _by_release(menu: Sequence[Listed]) -> list[_Area]:
    """Return the areas that the same products have and the same releases publish at all; none where they are too many."""
    if len({one.product for one in menu}) == 1:
        return [_Area(frozenset({menu[0].product}), frozenset(), 1)]
    alike = _alike(menu, _is_published)
    return _areas(menu, alike) if len(alike) <= MOST_AREAS else []


def _by_zone(menu: Sequence[Listed], cells: Callable[[Listed], Iterable[tuple[str, Hashable]]]) -> list[_Area]:
    """Return the areas of which each release publishes the same cells, as `_alike` has it; none where that are no others."""
    if any(one.between_zones for one in menu) or len({one.product for one in menu}) == 1:
        return []
    by_release, by_zone = len(_alike(menu, _is_published)), _alike(menu, cells)
    return _areas(menu, by_zone) if len(by_zone) > by_release or by_release > MOST_AREAS else []


def _areas(menu: Sequence[Listed], alike: Sequence[tuple[frozenset[str], frozenset[str]]]) -> list[_Area]:
    """Return the areas of zones that are alike, or of pairs of them: of these, one more than may be looked at, at most."""
    if not any(one.between_zones for one in menu):
        return [_Area(codes, zones, len(zones)) for codes, zones in alike]
    pairs = (
        _Area(codes & others, zones, len(zones) * len(ends), ends)
        for codes, zones in alike
        for others, ends in alike
        if codes & others
    )
    return list(islice(pairs, MOST_PARTS + 1))


def _alike(
    menu: Sequence[Listed], by: Callable[[Listed], Iterable[tuple[str, Hashable]]]
) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return the zones that the same products have, and that are the same by what else is known of each, with those products."""
    having: dict[str, set[str]] = defaultdict(set)
    known: dict[str, set[Hashable]] = defaultdict(set)
    for one in menu:
        for zone in one.zones:
            having[zone].add(one.product)
        for zone, what in by(one):
            known[zone].add(what)
    alike: dict[tuple[frozenset[str], frozenset[Hashable]], set[str]] = defaultdict(set)
    for zone, products in having.items():
        alike[frozenset(products), frozenset(known[zone])].add(zone)
    return [(products, frozenset(zones)) for (products, _), zones in alike.items()]


def _is_published(one: Listed) -> Iterable[tuple[str, Hashable]]:
    """Yield the zones that a release publishes at all, each with the release."""
    if one.published is not None:
        for at in np.flatnonzero(one.published.any(axis=1)).tolist():
            yield one.zones[at], one.family


def _cells_published(one: Listed) -> Iterable[tuple[str, Hashable]]:
    """Yield zones with how many cells of each day a release publishes there, as what is the same for the same."""
    if one.published is not None:
        for zone, cells in zip(one.zones, one.published, strict=True):
            yield zone, (id(one.published), cells.tobytes())


def _cells_within(one: Listed) -> Iterable[tuple[str, Hashable]]:
    """Yield them with how many cells of each step and segment it publishes, where that is known."""
    if one.cells is None:
        yield from _cells_published(one)
        return
    for zone, cells in zip(one.zones, one.cells, strict=True):
        yield zone, (id(one.cells), hashlib.sha256(cells.tobytes()).digest())


class _Worths:
    """What spans of one zone are worth beside each other, by their length and age; each worked out once."""

    def __init__(self, half_life_seconds: int, now: int) -> None:
        self.half_life, self.now = half_life_seconds, now
        self._known: dict[tuple[int, int], float] = {}

    def of(self, bounds: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return them for the spans between bounds."""
        return np.array([self._of(start, to) for start, to in pairwise(bounds.tolist())])

    def _of(self, start: int, to: int) -> float:
        if (start, to) not in self._known:
            freshness = mean_freshness(max(self.now - to, 0), to - start, self.half_life)
            self._known[start, to] = float(_GRAIN * (to - start) * freshness)
        return self._known[start, to]


def _qualities(menu: Sequence[Listed]) -> list[Fraction]:
    """Return how good the published cells of each are beside other products, in (0, 1].

    Cells of a crowded part of an area are as good as the whole's where the noise is the same, so each product is
    compared as if its cells held as many people as those of the others.
    """
    crowds: dict[str, Fraction] = {}
    for one in menu:
        crowd = Fraction(one.inputs.population, one.inputs.cells_at_once)
        crowds[one.product] = max(crowds.get(one.product, crowd), crowd)
    most = max(crowds.values())
    return [quality(one.inputs, Fraction(1), most / crowds[one.product]) for one in menu]


def _most_in_part(one: Listed, area: _Area, zones: Mapping[str, frozenset[str]]) -> float:
    """Return how many times as many of an area's pairs may be published as if all alike were: 1 where that is known.

    Where it is known from which zones published pairs come, and not where to: long ways are the rare ones that are withheld,
    so that a city may publish just those that lie in the part that another product has. zones: of each product.
    """
    shared = [len(zones[other] & zones[one.product]) for other in area.products if other != one.product]
    is_unknown = one.between_zones and one.pairs is None
    return len(one.zones) / max(shared) if is_unknown and shared else 1.0


class _Shares:
    """How much more of each zone's published pairs end in an area than if all ends were alike; each worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, frozenset[str]], NDArray[np.float64]] = {}

    def of(self, one: Listed, area: _Area) -> NDArray[np.float64]:
        """Return them by zone; 1 where it is not known where pairs end."""
        number = len(one.zones)
        if one.pairs is None:
            return np.ones(number)
        key = id(one.pairs), area.ends
        if key not in self._known:
            is_end = np.array([zone in area.ends for zone in one.zones])
            inside = one.pairs.cells * is_end[one.pairs.end]
            all_, within = (np.bincount(one.pairs.origin, cells, number) for cells in (one.pairs.cells, inside))
            self._known[key] = within / np.maximum(all_, 1) * number / max(int(is_end.sum()), 1)
        return self._known[key]


def _published_shares(
    one: Listed, mine: Sequence[int], grid: _Grid, spans: slice, shares: _Shares
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the parts of a grid that a release has, and which share of the cells of each is published, in [0, 1].

    mine: the areas that it has, all that have its product's zones. Where it is not known which zones have cells, or none has
    any on a day, all have as many.
    """
    days, hours, block = one.inputs.days, grid.hours(spans), grid.parts[mine, spans]
    day = np.searchsorted(one.bounds, grid.bounds[spans], side="right") - 1
    numbers, first = np.unique(block, return_index=True)
    day_of = np.broadcast_to(day[:, None], block.shape).ravel()[first]
    share = np.array([each.published_cells / max(each.declared_cells, 1) for each in days])[day_of]
    areas = [grid.areas[number] for number in mine]
    if one.published is None or not areas[0].zones:
        return numbers, np.minimum(share, 1)
    everywhere = one.published[:, : len(days)].sum(axis=0) / [each.hours for each in days] / block.shape[2]
    rates = _rates(one, areas, grid, spans, shares)
    sizes = np.array([len(area.zones) for area in areas], float)[:, None, None]
    inside, room = (
        np.bincount(block.ravel(), np.broadcast_to(each * hours[:, None], block.shape).ravel())[numbers]
        for each in (rates, sizes)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        here = share * inside * len(one.zones) / (everywhere[day_of] * room)
    return numbers, np.asarray(np.minimum(np.where(everywhere[day_of] > 0, here, share), 1))


def _losses(published: NDArray[np.float64], good: Fraction) -> NDArray[np.float64]:
    """Return what shares published lack of perfect ones, 1 / quality - 1 in 10^-12; infinite for none.

    Precisions of independent offers add up. good: how good published cells are. What is the same but for what arithmetic is
    rounded by is made the same.
    """
    with np.errstate(divide="ignore"):
        losses = np.minimum((1 / (published * float(good)) - 1) * PICO, MINOR_LIMIT - 1)
    grain = np.exp2(np.maximum(np.floor(np.log2(np.maximum(losses, 1))) - _DIGITS, 0))
    return np.asarray(np.where(published > 0, np.maximum(np.rint(losses / grain) * grain, 0), np.inf))
