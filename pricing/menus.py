"""What a menu's offers hold, part by part, as `pricing.editions` audits it.

The rule this file keeps: of each area and span of time an offer is as good as what is published there, by the law that
its price follows. So where days, zones or some of both are withheld, an offer replaces nothing that it lacks, and needs
no replacement for what it lacks itself.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, islice, pairwise
from math import floor, log2
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pricing.editions import Offer, Part
from pricing.money import MINOR_LIMIT
from pricing.quote import PriceInputs, price, quality
from pricing.refusals import TooHard
from pricing.valuation import mean_freshness
from pricing.waterfall import HOUR_SECONDS

PICO: Final = 10**12
MOST_AREAS: Final = 24
"""Of a group of releases; where which of them publish a zone would make more, that is left aside."""
MOST_PARTS: Final = 500_000
"""Of all offers of a group together: half a second of work for each instant that they are compared at."""
_GRAIN: Final = 1_000_000
MOST_MONTHS: Final = 120
"""After so many a licence without end is the only one that still begins."""
_ABOVE: Final = 1 + 1e-12
"""So that rounding makes no price lower."""
SHARE: Final = 2**20
"""Parts of a cell: of pairs, how many of a day's end in an area is reckoned from how many of all days do."""


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
    without end. is_posted: it may be bought later, too, at what its inputs cost then.
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
    is_posted: bool = True

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


def offers_of(menu: Sequence[Listed], half_life_seconds: int, now: int) -> list[Offer]:
    """Return what is listed as offers; `now` is in seconds since 1970.

    Zones that the same products have and the same releases publish at all are one area. A span of time is as short as the
    days of any of them need. Refuses TooHard where areas and spans are too many to look at.
    """
    bounds = sorted({bound for one in menu for bound in one.bounds})
    worths = [_worth(start, to, half_life_seconds, now) for start, to in pairwise(bounds)]
    number = {bound: at for at, bound in enumerate(bounds)}
    areas = _areas(menu, {one.name: number[one.bounds[-1]] - number[one.bounds[0]] for one in menu})
    qualities, zones = _qualities(menu), {one.product: frozenset(one.zones) for one in menu}
    finest: dict[str, Fraction] = {}
    for one, good in zip(menu, qualities, strict=True):
        finest[one.family] = max(finest.get(one.family, good), good)
    offers, shares = [], _Shares()
    for one, good in zip(menu, qualities, strict=True):
        days = [range(number[start], number[to]) for start, to in pairwise(one.bounds)]
        parts: dict[str, Part] = {}
        for at, area in enumerate(areas):
            if one.product in area.products:
                most = _most_in_part(one, area, zones) if good == finest[one.family] else Fraction(1)
                for losses, spans in zip(_losses(one, good, area, most, shares), days, strict=True):
                    parts |= {f"{at} {span}": _part(losses, worths[span] * area.size) for span in spans if losses}
        offer = Offer(one.name, one.price_minor, parts, one.family, right=one.right, months=one.months)
        fading = 2.0 ** (-PriceInputs.month_seconds / one.inputs.half_life_seconds)
        offers.append(replace(offer, product=one.product, fading=fading))
    return offers


def starts_of(menu: Sequence[Listed]) -> list[int]:
    """Return in how many months a licence may begin when others end, ascending; none where all are of one product.

    Of one product, a term in pieces costs no less than at once.
    """
    terms = {one.months for one in menu}
    most = max(terms) if all(terms) else MOST_MONTHS
    starts = {0}
    for start in range(most) if len({one.product for one in menu}) > 1 else ():
        starts |= {start + term for term in terms if start in starts and start + term < most}
    return sorted(starts - {0})


def in_turn(
    menu: Sequence[Listed],
    offers: Sequence[Offer],
    prices_minor: Sequence[int],
    starts: Sequence[int],
    seconds: int = 0,
) -> list[Offer]:
    """Return offers as they are on sale in so many seconds, at these prices, and from then on at each of the starts.

    A later price counts a cent too much at most.
    """
    falling = np.array([falling_of(one.inputs) for one in menu] if starts else [], float).reshape(-1, 4)
    worth, floor_, cap, half_life = falling.T[:, :, None]
    ages = seconds + np.array(starts, float) * PriceInputs.month_seconds
    later = np.clip(np.ceil(worth * 2.0 ** (-ages / half_life) * _ABOVE), floor_, cap).astype(np.int64).tolist()
    return [
        replace(offer, price_minor=price_minor, later=later[at] if starts and one.is_posted else ())
        for at, (one, offer, price_minor) in enumerate(zip(menu, offers, prices_minor, strict=True))
    ]


def find_undercut_later(
    menu: Sequence[Listed], offers: Sequence[Offer], tolerances: Sequence[Fraction] = (Fraction(0),)
) -> list[int]:
    """Return after how many seconds, in whole hours, some offer may cost less than another that it replaces alone.

    Between the instants at which a price meets its floor or leaves its cap, logarithms of prices fall in straight lines, so
    of two prices the difference has no more extremes: they are compared at those instants alone, in floating point. Who
    asks computes the prices of what is returned exactly. tolerances: as `find_arbitrage` has them.
    """
    falling = [falling_of(one.inputs) for one in menu]
    worth, lowest, highest, half_life = np.array(falling, float).reshape(-1, 4).T
    meets = {
        int(one.half_life_seconds * log2(one.worth_minor / bound)) // HOUR_SECONDS
        for one in falling
        for bound in (one.floor_minor, one.cap_minor)
        if 0 < bound < one.worth_minor
    }
    instants = np.array(sorted({hour + by for hour in meets for by in (0, 1)}), float) * HOUR_SECONDS
    prices = np.clip(worth * 2.0 ** (-instants[:, None] / half_life), lowest, highest)
    undercut = np.zeros(len(instants), bool)
    for at, tolerance, found in _replacements(offers, tolerances):
        undercut |= (prices[:, found] < prices[:, [at]] * (1 - tolerance) - 1).any(axis=1)
    return [int(each) for each in instants[undercut]]


class Falling(NamedTuple):
    """A price that falls with age alone, from what data are worth today, between its floor and its cap; in cents."""

    worth_minor: int
    floor_minor: int
    cap_minor: int
    half_life_seconds: int


def falling_of(inputs: PriceInputs) -> Falling:
    """Return how the price of some inputs falls from now on."""
    worth = sum(step.amount_minor for step in price(inputs).waterfall[:-2])
    return Falling(worth, inputs.floor_minor, inputs.cap_minor, inputs.half_life_seconds)


def _replacements(
    offers: Sequence[Offer], tolerances: Sequence[Fraction]
) -> Iterator[tuple[int, float, NDArray[np.int64]]]:
    """Yield the number of each offer with those that replace it alone: as exact on each of its parts, for as much and long.

    Once for each tolerance, by which they may be less exact.
    """
    number = {part: at for at, part in enumerate({part: None for offer in offers for part in offer.parts})}
    variances = np.full((len(offers), len(number)), np.inf)
    across, least = variances.copy(), variances.copy()
    for at, offer in enumerate(offers):
        places = [number[part] for part in offer.parts]
        figures = [(part.variance, part.compared, part.least) for part in offer.parts.values()]
        variances[at, places], across[at, places], least[at, places] = np.array(figures, float).T
    products = np.array([offer.product for offer in offers])
    right, months = (np.array([getattr(offer, name) for offer in offers]) for name in ("right", "months"))
    lasts = np.where(months == 0, np.inf, months)
    for at, offer in enumerate(offers):
        parts = [number[part] for part in offer.parts]
        is_same = (products == offer.product)[:, None]
        has = np.where(is_same, variances[:, parts], least[:, parts])
        needed = np.where(is_same, variances[at, parts], across[at, parts])
        may = (right >= right[at]) & (lasts >= lasts[at])
        for tolerance in map(float, tolerances):
            yield at, tolerance, np.flatnonzero((has * (1 - tolerance) <= needed).all(axis=1) & may)


def _areas(menu: Sequence[Listed], spans: Mapping[str, int]) -> list[_Area]:
    """Return the areas of what is listed: one of a single product. Refuses TooHard where all would be too many parts.

    spans: of time in each of what is listed, by its name.
    """
    products = {one.product for one in menu}
    if len(products) == 1:
        return [_Area(frozenset(products), frozenset(), 1)]
    for by_release in (True, False):
        alike = _alike(menu, by_release=by_release)
        if by_release and len(alike) > MOST_AREAS:
            continue
        areas = [_Area(codes, zones, len(zones)) for codes, zones in alike]
        if any(one.between_zones for one in menu):
            pairs = (
                _Area(codes & others, zones, len(zones) * len(ends), ends)
                for codes, zones in alike
                for others, ends in alike
                if codes & others
            )
            areas = list(islice(pairs, MOST_PARTS + 1))
        number = Counter(code for area in areas for code in area.products)
        if sum(number[one.product] * spans[one.name] for one in menu) <= MOST_PARTS:
            return areas
    msg = f"what is listed has more than {MOST_PARTS} parts; list fewer offers together"
    raise TooHard(msg)


def _alike(menu: Sequence[Listed], *, by_release: bool) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Return the zones that the same products have, and by_release: that the same releases publish, with those products."""
    having: dict[str, set[str]] = defaultdict(set)
    publishing: dict[str, set[str]] = defaultdict(set)
    for one in menu:
        for zone in one.zones:
            having[zone].add(one.product)
        if by_release and one.published is not None:
            for at in np.flatnonzero(one.published.any(axis=1)).tolist():
                publishing[one.zones[at]].add(one.family)
    alike: dict[tuple[frozenset[str], frozenset[str]], set[str]] = defaultdict(set)
    for zone, products in having.items():
        alike[frozenset(products), frozenset(publishing[zone])].add(zone)
    return [(products, frozenset(zones)) for (products, _), zones in alike.items()]


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


class _Losses(NamedTuple):
    """What a day lacks of a perfect one in an area, 1 / quality - 1 in 10^-12, rounded down.

    As releases of its own product compare it, by how good it is; as those of others do, by `_qualities`; and the least that
    this may be.
    """

    own: int
    across: int
    at_best: int


def _part(losses: _Losses, worth: float) -> Part:
    return Part(losses.own, max(int(worth / (1 + losses.own / PICO)), 1), losses.across, losses.at_best)


def _most_in_part(one: Listed, area: _Area, zones: Mapping[str, frozenset[str]]) -> Fraction:
    """Return how many times as many of an area's pairs may be published as if all alike were: 1 where that is known.

    Where it is known from which zones published pairs come, and not where to: long ways are the rare ones that are withheld,
    so that a city may publish just those that lie in the part that another product has. zones: of each product.
    """
    shared = [len(zones[other] & zones[one.product]) for other in area.products if other != one.product]
    is_unknown = one.between_zones and one.pairs is None
    return Fraction(len(one.zones), max(shared)) if is_unknown and shared else Fraction(1)


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


def _losses(one: Listed, good: Fraction, area: _Area, most: Fraction, shares: _Shares) -> list[_Losses | None]:
    """Return what each day lacks in an area; None: all of it. Precisions of independent offers add up.

    good: how good published cells are beside other products. Where it is not known which zones have cells, or none has any
    on a day, all have as many. most: how many times as many may be published there as if all alike were.
    """
    losses: list[_Losses | None] = []
    days, own = one.inputs.days, quality(one.inputs, Fraction(1), Fraction(1))
    inside = everywhere = [0] * len(days)
    rows = [at for at, zone in enumerate(one.zones) if zone in area.zones]
    if one.published is not None and rows:
        published = one.published[:, : len(days)]
        within = (published * shares.of(one, area)[:, None])[rows]
        inside, everywhere = (np.rint(of.sum(axis=0) * SHARE).astype(np.int64).tolist() for of in (within, published))
    for day, here, all_ in zip(days, inside, everywhere, strict=True):
        there, declared = day.published_cells, day.declared_cells
        if all_:
            there, declared = there * here * len(one.zones), declared * all_ * len(rows)
        if not there:
            losses.append(None)
            continue
        alone = _loss(there, declared, own)
        across = alone if good == own else _loss(there, declared, good)
        at_best = min(floor(there * most), max(declared, there))
        losses.append(_Losses(alone, across, across if most == 1 else _loss(at_best, declared, good)))
    return losses


def _loss(there: int, declared: int, good: Fraction) -> int:
    """Return what published cells, one at least, lack of perfect ones of all that are declared."""
    there, declared = there * good.numerator, max(declared, there) * good.denominator
    return min((declared - there) * PICO // there, MINOR_LIMIT - 1)
