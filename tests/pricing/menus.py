"""Random small markets: one sheet, overlapping releases and their editions, and the orders that may be placed.

Each thing has, beside its price, its true qualities: of each figure, in each piece of use, for each right and purpose,
before anything is rounded to points. They are computed here from the formulas of the manual. A broken rule prices the
same things as no sheet does, so that a search shows what it would find.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product
from math import ceil
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pricing.measure import Hours
from pricing.order import Licence, Lot, price
from pricing.sheet import MICRO, Consent, Figures, Law, Points, Segment, Sheet, Span, Terms, Zone, points_of
from pricing.valuation import least_bias

Broken = Literal["", "worth", "floor", "cap", "average"]
"""A worth, a floor or a cap a dataset; one mean quality for all figures of a release."""
People = tuple[dict[str, Consent], tuple[tuple[int, int], ...]]
"""Who consents, of each area and of each age band."""
NOW = 500_000
BOUNDS = (NOW, NOW + 31 * 24, NOW + 61 * 24, NOW + 92 * 24, None)
PIECES = tuple(pairwise(BOUNDS))
RIGHTS = {"internal": 6_000, "publish": 8_000, "resell": 10_000}
PURPOSES = ("transport", "trade", "any other")


class Release(NamedTuple):
    """dataset: which worth, floor and cap it has where these are a dataset's."""

    dataset: str
    figures: Figures


class SheetThing(NamedTuple):
    """An order: its lots, its price, and its qualities by lot, a number for each figure and 0 where it is not held."""

    lots: tuple[Lot, ...]
    amount: int
    qualities: tuple[dict[tuple[str, str, int], Fraction], ...]


class Menu(NamedTuple):
    """law and things: what may be ordered; figures: all that any of them holds."""

    law: Law
    things: tuple[SheetThing, ...]
    figures: tuple[tuple[str, str, int], ...]

    def atoms(self, thing: SheetThing) -> NDArray[np.float64]:
        """Return a thing's qualities by figure, piece of use, right and purpose, lots added up."""
        found = np.zeros((len(self.figures), len(PIECES), len(RIGHTS), len(PURPOSES)))
        for lot, good in zip(thing.lots, thing.qualities, strict=True):
            own = np.array([float(good.get(figure, 0)) for figure in self.figures])
            found += own[:, None, None, None] * _use(lot.licence)
        return found

    def dominates(self, bought: Sequence[SheetThing], target: SheetThing) -> bool:
        """Return whether things have, exactly, at least the qualities of the target, at each atom."""
        used = [(good, _use(lot.licence)) for one in bought for lot, good in zip(one.lots, one.qualities, strict=True)]
        for lot, wanted in zip(target.lots, target.qualities, strict=True):
            for figure, at in product(wanted, zip(*np.nonzero(_use(lot.licence)), strict=True)):
                if sum(good.get(figure, Fraction(0)) for good, use in used if use[at]) < wanted[figure]:
                    return False
        return True

    def has_a_figure_twice(self, thing: SheetThing) -> bool:
        """Return whether two lots of an order have one figure at one hour: it is paid for twice, as each is rounded up."""
        hours = [
            {(figure, piece) for figure in good for piece in np.flatnonzero(_use(lot.licence).any((0, 2, 3)))}
            for lot, good in zip(thing.lots, thing.qualities, strict=True)
        ]
        return sum(map(len, hours)) > len(set().union(*hours))


def random_menu(seed: int, broken: Broken = "") -> Menu:
    """Draw a menu; 2–4 zones in 2 areas and 2 demand groups, 1–2 bands, 1–3 days, 2–3 releases and editions of some.

    seed: the same draws for the same one.
    """
    rng = random.Random(seed)  # noqa: S311 (no secret)
    sheet, terms, law = _sheet(rng), _terms(rng), _law(rng)
    if broken == "average":
        terms = replace(terms, demand=dict.fromkeys(terms.demand, 10_000))
    people = [_people(rng, sheet) for _ in range(rng.randint(1, 2))]
    releases = [Release(f"dataset {at}", _figures(rng, sheet, rng.choice(people))) for at in range(rng.randint(2, 3))]
    releases += [Release(one.dataset, _coarser(rng, one.figures)) for one in releases if rng.random() < 0.5]
    factors = {one.dataset: rng.randint(50, 200) for one in releases}
    single = []
    for release in releases:
        for _ in range(rng.randint(1, 3)):
            part = _some_of(rng, release.figures)
            points = _points(sheet, release.figures, part, broken)
            stated = (
                replace(terms, worth_micro=terms.worth_micro * factors[release.dataset] // 100)
                if broken == "worth"
                else terms
            )
            if any(span.points for span in points.spans):
                single.append(
                    (release.dataset, Lot(release.dataset, stated, _licence(rng), points), _true(sheet, part))
                )
    orders = [[one] for one in single]
    if len(single) > 1:
        orders += [rng.sample(single, rng.randint(2, min(3, len(single)))) for _ in range(2)]
    things = []
    for order in orders:
        lots = tuple(lot for _, lot, _ in order)
        amount = price(law, lots).amount_minor
        if len(order) == 1 and broken in {"floor", "cap"}:
            own = 30 * factors[order[0][0]]
            amount = max(amount, own) if broken == "floor" else min(amount, max(own, law.least_minor))
        things.append(SheetThing(lots, amount, tuple(good for _, _, good in order)))
    figures = sorted({figure for thing in things for good in thing.qualities for figure in good})
    return Menu(law, tuple(things), tuple(figures))


def menu_of_one_figure(seed: int, rounded: Callable[[Fraction], int]) -> Menu:
    """Draw releases of one figure, of unlike quality, under one licence; rounded: a figure's points to whole ones."""
    rng = random.Random(seed)  # noqa: S311 (no secret)
    figure, licence = ("zone", "", NOW - 24), Licence(NOW, None, "resell")
    terms, law, weight = _terms(rng), Law(currency="EUR", volume=((0, 10_000),), least_minor=1), rng.randint(2, 20)
    things = []
    for number in range(5):
        good = Fraction(rng.randint(1, 100), 100)
        points = rounded(weight * good)
        if points:
            spans = (Span(NOW - 24, NOW, "G", points),)
            lots = (Lot(f"release {number}", terms, licence, Points(spans, (24 * points,) * 5)),)
            things.append(SheetThing(lots, price(law, lots).amount_minor, ({figure: good},)))
    return Menu(law, tuple(things), (figure,))


def _use(licence: Licence) -> NDArray[np.bool_]:
    """Return which pieces of use, rights and purposes a licence has, as an array of one figure's."""
    since, until, right, purposes, _ = licence
    pieces = [since <= start and (until is None or (end is not None and end <= until)) for start, end in PIECES]
    rights = [at <= list(RIGHTS).index(right) for at in range(len(RIGHTS))]
    uses = [not purposes or one in purposes for one in PURPOSES]
    return np.einsum("p,r,u->pru", *(np.array(one, int) for one in (pieces, rights, uses)))[None].astype(bool)


def _sheet(rng: random.Random) -> Sheet:
    names = [f"zone {at}" for at in range(rng.randint(2, 4))]
    return Sheet(
        zones={
            name: Zone(rng.randint(1, 50), round(10 ** rng.uniform(2, 4)), rng.choice("ab"), rng.choice("GH"))
            for name in names
        },
        segments={
            name: Segment(rng.randint(1, 5), 100_000 * rng.randint(1, 10))
            for name in ("young", "old")[: rng.randint(1, 2)]
        },
        prior_observations=40,
        survey_people=3_000,
        variance_micro=250_000,
        association_squared_micro=2_500,
        unseen_squared_micro=25,
    )


def _terms(rng: random.Random) -> Terms:
    return Terms(
        sheet="sheet",
        worth_micro=rng.choice((10**7, 10**8, 10**9)),
        half_life_hours=24 * rng.choice((1, 7, 21, 60)),
        rights=RIGHTS,
        purposes={purpose: rng.randint(1, 9_000) for purpose in PURPOSES[:2]},
        demand={group: rng.randint(5_000, 20_000) for group in "GH"},
    )


def _law(rng: random.Random) -> Law:
    rates = sorted((rng.randint(2_000, 10_000) for _ in range(2)), reverse=True)
    steps = ((0, 10_000), (rng.randint(1, 10**5), rates[0]), (rng.randint(10**5 + 1, 10**7), rates[1]))
    return Law(currency="EUR", volume=steps[: rng.choice((1, 3))], least_minor=rng.choice((1, 1, 1, 100, 20_000)))


def _people(rng: random.Random, sheet: Sheet) -> People:
    there: dict[str, int] = {}
    for zone in sheet.zones.values():
        there[zone.area] = there.get(zone.area, 0) + zone.people
    consent = {
        area: Consent(rng.randint(0 if rng.random() < 0.1 else 1, people), people) for area, people in there.items()
    }
    return consent, ((rng.randint(300, 1_000), 1_000), (rng.randint(300, 1_000), 1_000))


def _figures(rng: random.Random, sheet: Sheet, people: People) -> Figures:
    consent, bands = people
    areas = sorted({zone.area for zone in sheet.zones.values()})
    chosen = rng.sample(areas, rng.randint(1, len(areas)))
    zones = [name for name, zone in sheet.zones.items() if zone.area in chosen]
    first, number, full = rng.randint(0, 2), rng.randint(1, 3), rng.random() < 0.3
    days = [Hours(NOW - 24 * (ago + 1), NOW - 24 * ago) for ago in range(first + number, first, -1)]
    return Figures(
        days=days,
        steps=1,
        published={
            figure: [int(full or rng.random() < 0.7) for _ in days] for figure in product(zones, sheet.segments)
        },
        zones=frozenset(zones),
        consent={area: consent[area] for area in chosen},
        bands=bands,
        noise_micro=rng.choice((0, 10**6, 10**7, 10**8)),
    )


def _coarser(rng: random.Random, release: Figures) -> Figures:
    """Return an edition: more noise, and more is withheld."""
    published = {key: [count * (rng.random() < 0.8) for count in counts] for key, counts in release.published.items()}
    return replace(release, published=published, noise_micro=release.noise_micro * rng.randint(2, 4) + MICRO)


def _some_of(rng: random.Random, release: Figures) -> Figures:
    """Return a release, or some of its zones, bands and days alone."""
    keys, zones = sorted(release.published), sorted(release.zones)
    some = set(rng.sample(zones, rng.randint(1, len(zones))))
    chosen = {key for key in keys if key[0] in some}
    if rng.random() < 0.3:
        chosen = set(rng.sample(keys, rng.randint(1, len(keys))))
    days = [rng.randrange(len(release.days))] if rng.random() < 0.3 else range(len(release.days))
    published = {
        key: [count * (key in chosen and day in days) for day, count in enumerate(counts)]
        for key, counts in release.published.items()
    }
    return replace(release, published=published)


def _licence(rng: random.Random) -> Licence:
    since, until = sorted(rng.sample(BOUNDS[:-1], 2)) if rng.random() < 0.8 else (NOW, None)
    if rng.random() < 0.7:
        since = NOW
    purposes = rng.choice(((), PURPOSES[:1], PURPOSES[1:2], PURPOSES[:2]))
    return Licence(since, until, rng.choice(list(RIGHTS)), purposes)


def _true(sheet: Sheet, release: Figures) -> dict[tuple[str, str, int], Fraction]:
    """Return how good each published figure is, in (0, 1], by place, segment and start of its day."""
    found = {}
    there: dict[str, int] = {}
    for name in release.zones:
        there[sheet.zones[name].area] = there.get(sheet.zones[name].area, 0) + sheet.zones[name].people
    bias = least_bias(release.bands, Fraction(2_500, MICRO), Fraction(25, MICRO))
    for (place, segment), counts in release.published.items():
        zone = sheet.zones[place]
        people, population = release.consent[zone.area]
        share = Fraction(zone.people * sheet.segments[segment].share_micro, MICRO * there[zone.area])
        if not people:
            continue
        counted = people * share
        loss = Fraction(population - people, population) / counted
        loss += Fraction(release.noise_micro, 250_000) / counted**2
        good = 1 / (1 + 40 * loss) / (1 + 3_000 * bias)
        found |= {(place, segment, day.start): good for day, count in zip(release.days, counts, strict=True) if count}
    return found


def _points(sheet: Sheet, release: Figures, part: Figures, broken: Broken) -> Points:
    """Return the points of a part of a release, or what they would be by a broken rule."""
    stated = points_of(sheet, part)
    if broken != "average":
        return stated
    whole = _true(sheet, release)
    weights = {figure: sheet.perfect(figure[0], figure[1]) for figure in whole}
    mean = sum((weights[figure] * one for figure, one in whole.items()), Fraction(0)) / max(sum(weights.values()), 1)
    found: dict[tuple[int, str], Fraction] = {}
    for place, segment, start in _true(sheet, part):
        key = (start, sheet.zones[place].group)
        found[key] = found.get(key, Fraction(0)) + sheet.perfect(place, segment) * mean
    return stated._replace(
        spans=tuple(Span(start, start + 24, group, ceil(one)) for (start, group), one in sorted(found.items()))
    )
