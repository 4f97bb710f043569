"""What a menu's offers hold, part by part, as `pricing.editions` audits it.

The rule this file keeps: of each area and span of time an offer is as good as what is published there, by the law that
its price follows. So where days, zones or some of both are withheld, an offer replaces nothing that it lacks, and needs
no replacement for what it lacks itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import accumulate, pairwise
from typing import Final

from pricing.editions import Offer, Part
from pricing.money import MINOR_LIMIT
from pricing.quote import PriceInputs, quality
from pricing.valuation import mean_freshness
from pricing.waterfall import HOUR_SECONDS

PICO: Final = 10**12
_GRAIN: Final = 1_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A release at an accuracy level, under a licence, for a price.

    starts_at: when its first day begins, in seconds since 1970. family: the release. product: what has one area, and one
    number of people in it. zones: of that area, where products differ in it. published: how many cells of each of them
    are, where that is known. right: its rank, >= 0. months: the term, 0 without end.
    """

    name: str
    price_minor: int
    inputs: PriceInputs
    starts_at: int
    family: str
    product: str
    zones: frozenset[str] = frozenset()
    published: Mapping[str, int] = field(default_factory=dict)
    right: int = 0
    months: int = 0

    @property
    def bounds(self) -> list[int]:
        """Where each of its days begins, and where the last one ends."""
        hours = accumulate((day.hours for day in self.inputs.days), initial=0)
        return [self.starts_at + each * HOUR_SECONDS for each in hours]


def offers_of(menu: Sequence[Listed], half_life_seconds: int, now: int) -> list[Offer]:
    """Return what is listed as offers; `now` is in seconds since 1970.

    Zones that the same products have are one area. A span of time is as short as the days of any of them need.
    """
    products = {one.product: one.zones for one in menu}
    areas: dict[frozenset[str], set[str]] = defaultdict(set)
    for zone in frozenset().union(*(products.values() if len(products) > 1 else ())):
        areas[frozenset(code for code, zones in products.items() if zone in zones)].add(zone)
    named = list(areas.items()) or [(frozenset(products), set[str]())]
    bounds = sorted({bound for one in menu for bound in one.bounds})
    worths = [_worth(start, to, half_life_seconds, now) for start, to in pairwise(bounds)]
    number = {bound: at for at, bound in enumerate(bounds)}
    offers = []
    for one, good in zip(menu, _qualities(menu), strict=True):
        days = [range(number[start], number[to]) for start, to in pairwise(one.bounds)]
        parts = {
            f"{area} {span}": Part(loss, max(int(worths[span] * max(len(zones), 1) / (1 + loss / PICO)), 1))
            for area, (holders, zones) in enumerate(named)
            if one.product in holders
            for loss, spans in zip(_losses(one.inputs, good, _fullness(one, zones)), days, strict=True)
            if loss is not None
            for span in spans
        }
        offers.append(Offer(one.name, one.price_minor, parts, one.family, right=one.right, months=one.months))
    return offers


def _worth(start: int, to: int, half_life_seconds: int, now: int) -> float:
    """Return what a span of one zone is worth beside the others, by its length and age."""
    return float(_GRAIN * (to - start) * mean_freshness(max(now - to, 0), to - start, half_life_seconds))


def _qualities(menu: Sequence[Listed]) -> list[Fraction]:
    """Return how good the published cells of each are, in (0, 1].

    Cells of a crowded part of an area are as good as the whole's where the noise is the same, so each product is
    compared as if its cells held as many people as those of the others.
    """
    crowds: dict[str, Fraction] = {}
    for one in menu:
        crowd = Fraction(one.inputs.population, one.inputs.cells_at_once)
        crowds[one.product] = max(crowds.get(one.product, crowd), crowd)
    most = max(crowds.values())
    return [quality(one.inputs, Fraction(1), most / crowds[one.product]) for one in menu]


def _fullness(one: Listed, zones: Iterable[str]) -> Fraction:
    """Return how many times as many cells a zone of an area has published as one of all; 1 where it is not known."""
    inside = [one.published[zone] for zone in zones if zone in one.published]
    if not inside or not any(one.published.values()):
        return Fraction(1)
    return Fraction(sum(inside) * len(one.published), sum(one.published.values()) * len(inside))


def _losses(inputs: PriceInputs, good: Fraction, fullness: Fraction) -> list[int | None]:
    """Return what each day lacks of a perfect one in an area, 1 / quality - 1 in 10^-12, rounded down; None: all of it.

    good: how good published cells are. Precisions of independent offers add up. Cells withheld in one area on some days
    and in another on others count as withheld alike: each area as often as on the whole, each day as well.
    """
    losses: list[int | None] = []
    for day in inputs.days:
        there = day.published_cells * fullness.numerator
        all_ = max(day.declared_cells * fullness.denominator, there)
        there, all_ = there * good.numerator, all_ * good.denominator
        losses.append(min((all_ - there) * PICO // there, MINOR_LIMIT - 1) if there else None)
    return losses
