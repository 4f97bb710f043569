"""What a menu's offers hold, part by part, as `pricing.audit` compares it.

The rule this file keeps: of each area and span of time an offer is as good as what is published there, by the law that
its price follows. So where days, zones or some of both are withheld, an offer replaces nothing that it lacks, and needs
no replacement for what it lacks itself.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, islice, pairwise
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pricing.audit import Holdings, Offer
from pricing.money import MINOR_LIMIT
from pricing.quote import PriceInputs, quality
from pricing.refusals import TooHard
from pricing.valuation import mean_freshness
from pricing.waterfall import HOUR_SECONDS

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
    edition: the release at its accuracy level; what is of one edition holds the same.
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

    @property
    def bounds(self) -> list[int]:
        """Where each of its days begins, and where the last one ends."""
        hours = accumulate((day.hours for day in self.inputs.days), initial=0)
        return [self.starts_at + each * HOUR_SECONDS for each in hours]


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
        )
        for one in menu
    ]


def holdings_of(menu: Sequence[Listed], half_life_seconds: int, now: int) -> Iterator[Holdings]:
    """Yield what each of what is listed holds of each area and span of time; `now` is in seconds since 1970.

    Once by areas that the same products have and the same releases publish at all, and once by those of which each release
    publishes as many cells of each day, where these are others. Where both are too many, by products alone. A span of time is
    as short as the days of any of them need. Refuses TooHard where all that is too much to look at.
    """
    bounds = sorted({bound for one in menu for bound in one.bounds})
    worths = np.array([_worth(start, to, half_life_seconds, now) for start, to in pairwise(bounds)])
    spans = {one.name: np.searchsorted(bounds, one.bounds) for one in menu}
    editions = {one.edition or one.name: one for one in menu}

    def fits(areas: Sequence[_Area]) -> bool:
        number = Counter(code for area in areas for code in area.products)
        parts = sum(number[one.product] * (spans[one.name][-1] - spans[one.name][0]) for one in menu)
        return parts <= MOST_PARTS and len(editions) * len(areas) * len(worths) <= MOST_CELLS

    found = 0
    for areas in _ways(menu):
        if fits(areas):
            found += 1
            yield _holdings(menu, editions, areas, spans, worths)
    if not found:
        areas = _areas(menu, _alike(menu, lambda _: ()))
        if not fits(areas):
            msg = f"what is listed has more than {MOST_PARTS} parts; list fewer offers together"
            raise TooHard(msg)
        yield _holdings(menu, editions, areas, spans, worths)


def _holdings(
    menu: Sequence[Listed],
    editions: Mapping[str, Listed],
    areas: Sequence[_Area],
    spans: Mapping[str, NDArray[np.int64]],
    worths: NDArray[np.float64],
) -> Holdings:
    """Return what each of what is listed holds of areas and spans; spans: between the bounds of its days, by its name."""
    qualities = {one.name: good for one, good in zip(menu, _qualities(menu), strict=True)}
    finest = {one.family: qualities[one.name] for one in sorted(menu, key=lambda one: qualities[one.name])}
    zones, shares = {one.product: frozenset(one.zones) for one in menu}, _Shares()
    found = np.full((4, len(editions), len(areas), len(worths)), np.inf)
    found[1] = 0
    for at, one in enumerate(editions.values()):
        mine, good = [n for n, area in enumerate(areas) if one.product in area.products], qualities[one.name]
        published = _published_shares(one, [areas[number] for number in mine], shares)
        own, across = (_losses(published, of) for of in (quality(one.inputs, Fraction(1), Fraction(1)), good))
        most = [_most_in_part(one, areas[number], zones) if good == finest[one.family] else 1.0 for number in mine]
        at_best = _losses(np.minimum(published * np.array(most)[:, None], 1), good)
        size = np.array([areas[number].size for number in mine], float)[:, None] / (1 + own / PICO)
        days = np.repeat(np.arange(len(one.inputs.days)), np.diff(spans[one.name]))
        within = np.ix_(range(4), [at], mine, range(spans[one.name][0], spans[one.name][-1]))
        found[within] = np.stack([own, size, across, at_best])[:, None, :, days]
    found[1] = np.where(np.isfinite(found[0]), np.maximum(found[1] * worths, _LEAST), 0)
    number = {edition: at for at, edition in enumerate(editions)}
    variances, worth, across, least = found.reshape(4, len(editions), -1)
    return Holdings(variances, worth, across, least, np.array([number[one.edition or one.name] for one in menu]))


def _ways(menu: Sequence[Listed]) -> Iterator[list[_Area]]:
    """Yield the areas of what is listed: by release, unless they are too many; and by zone and day, unless they are the same."""
    alike = _alike(menu, _is_published)
    if len({one.product for one in menu}) == 1:
        yield [_Area(frozenset({menu[0].product}), frozenset(), 1)]
        return
    if len(alike) <= MOST_AREAS:
        yield _areas(menu, alike)
    if not any(one.between_zones for one in menu):
        by_zone = _alike(menu, _cells_published)
        if len(by_zone) > len(alike) or len(alike) > MOST_AREAS:
            yield _areas(menu, by_zone)


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
    """Yield zones with how many cells of each day a release publishes there, as a number that is the same for the same."""
    if one.published is not None:
        _, kinds = np.unique(one.published, axis=0, return_inverse=True)
        yield from ((zone, (id(one.published), kind)) for zone, kind in zip(one.zones, kinds.tolist(), strict=True))


def _worth(start: int, to: int, half_life_seconds: int, now: int) -> float:
    """Return what a span of one zone is worth beside the others, by its length and age."""
    return float(_GRAIN * (to - start) * mean_freshness(max(now - to, 0), to - start, half_life_seconds))


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


def _published_shares(one: Listed, areas: Sequence[_Area], shares: _Shares) -> NDArray[np.float64]:
    """Return which share of the cells of each area and day is published, in [0, 1]; areas: all that have the product's zones.

    Where it is not known which zones have cells, or none has any on a day, all have as many.
    """
    days = one.inputs.days
    share = np.tile([day.published_cells / max(day.declared_cells, 1) for day in days], (len(areas), 1))
    if one.published is None or not areas[0].zones:
        return np.asarray(np.minimum(share, 1))
    published, everywhere = one.published[:, : len(days)], one.published[:, : len(days)].sum(axis=0)
    inside, zones = np.zeros(share.shape), np.array([[len(area.zones)] for area in areas])
    if one.between_zones:
        for number, area in enumerate(areas):
            is_inside = [zone in area.zones for zone in one.zones]
            inside[number] = (published * shares.of(one, area)[:, None])[is_inside].sum(axis=0)
    else:
        area_of = {zone: number for number, area in enumerate(areas) for zone in area.zones}
        np.add.at(inside, [area_of[zone] for zone in one.zones], published)
    with np.errstate(divide="ignore", invalid="ignore"):
        here = share * inside * len(one.zones) / (everywhere * zones)
    return np.asarray(np.minimum(np.where(everywhere > 0, here, share), 1))


def _losses(published: NDArray[np.float64], good: Fraction) -> NDArray[np.float64]:
    """Return what shares published lack of perfect ones, 1 / quality - 1 in 10^-12; infinite for none.

    Precisions of independent offers add up. good: how good published cells are. What is the same but for what reckoning is
    rounded by is made the same.
    """
    with np.errstate(divide="ignore"):
        losses = np.minimum((1 / (published * float(good)) - 1) * PICO, MINOR_LIMIT - 1)
    grain = np.exp2(np.maximum(np.floor(np.log2(np.maximum(losses, 1))) - _DIGITS, 0))
    return np.asarray(np.where(published > 0, np.maximum(np.rint(losses / grain) * grain, 0), np.inf))
