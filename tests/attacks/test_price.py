"""What moves a price is public: attacks on consent and on amounts, and what parts and terms cost beside their whole.

The cities are lognormal: consent thins their people, noise is coupled across the levels of consent. Everything is
seeded, so what holds once holds always. Menus of several releases are the theorems of `tests/pricing/test_order.py`.
"""

import datetime as dt
import json
import math
import os
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from marketplace.core.instants import months_later
from pricing.measure import Hours
from pricing.order import STEPS, Licence, Lot, Priced, price
from pricing.sheet import Consent, Figures, Law, Points, Segment, Sheet, Terms, Zone, points_of
from pricing.valuation import least_bias

SHARED = Path(os.environ.get("PARTAGE_SHARED", Path(__file__).parents[3] / "shared"))
NOON = 500_000
"""When licences begin, in hours since 1970."""
CENT: Law = Law(currency="EUR", volume=((0, 10_000),), least_minor=1)


def sheet_of(people: Sequence[int]) -> Sheet:
    """Return a sheet of zones in one area, with these people by a public source."""
    return Sheet(
        zones={f"zone-{at}": Zone(100, each, "city", "all") for at, each in enumerate(people)},
        segments={"all": Segment(1, 10**6)},
        prior_observations=40,
        survey_people=3_000,
        variance_micro=250_000,
        association_squared_micro=2_500,
        unseen_squared_micro=25,
    )


def figures_of(sheet: Sheet, published: Sequence[Sequence[int]], **stated: Any) -> Figures:
    """Return a release of all zones, of which `published` says by zone and day which have a figure, to the day before."""
    days = len(published[0])
    usual: dict[str, Any] = {
        "days": [Hours(NOON - 24 * (ago + 2), NOON - 24 * (ago + 1)) for ago in reversed(range(days))],
        "steps": 1,
        "published": {(zone, "all"): days for zone, days in zip(sheet.zones, published, strict=True)},
        "zones": frozenset(sheet.zones),
        "consent": {"city": Consent(60_000, 100_000)},
        "bands": ((30_000, 50_000), (30_000, 50_000)),
        "noise_micro": 9_000_000,
    }
    consent = stated.pop("consent", None)
    return Figures(**usual | ({"consent": {"city": consent}} if consent else {}) | stated)


def price_of(points: Points, *, law: Law = CENT, hours: int = 365 * 24, since: int = NOON, **changed: Any) -> Priced:
    """Return the price of a release's points."""
    usual: dict[str, Any] = {
        "sheet": "",
        "worth_micro": 10**10,
        "half_life_hours": 30 * 24,
        "rights": {"internal": 6_000, "publish": 8_000},
        "purposes": {"planning": 4_000},
        "demand": {"all": 10_000},
    }
    right, purposes = changed.pop("right", "publish"), changed.pop("purposes", ())
    licence = Licence(since, since + hours, right, purposes)
    return price(law, [Lot("release", Terms(**usual | changed), licence, points)])


def cost_of(sheet: Sheet, figures: Figures, **changed: Any) -> int:
    """Return what a release costs, 0 where it has no figure."""
    points = points_of(sheet, figures)
    return price_of(points, **changed).amount_minor if any(span.points for span in points.spans) else 0


def laplace(uniform: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """Return discrete Laplace noise by inversion of shared uniforms: P(X <= -k) is q^k / (1 + q)."""
    q = math.exp(-1 / scale)
    below = np.where(uniform < 0.5, uniform, 1 - uniform)
    size = np.maximum(np.floor(np.log(below * (1 + q)) / math.log(q)), 0).astype(np.int64)
    return np.where(uniform < 0.5, -size, size)


def releases_of(city: dict[str, Any], percents: list[int], reach: int) -> tuple[Sheet, list[Figures]]:
    """Return the sheet of one city and its release at each level of consent, the highest first.

    reach: in how many of its days a person counts, which the noise is scaled to. Consent is nested: who consents at a
    low level does at every higher one; each cell, band and head count has one draw for all levels.
    """
    rng = np.random.default_rng(city["seed"])
    zones, days, epsilon = city["zones"], city["days"], city["epsilon"]
    people = np.maximum(np.round(city["median_people"] * np.exp(city["sigma"] * rng.standard_normal(zones))), 1)
    of_bands = rng.multinomial(people.astype(np.int64), [0.3, 0.45, 0.25])
    scale = reach / (0.76 * epsilon)
    q = math.exp(-1 / scale)
    threshold = math.ceil(scale * math.log(zones * days / (0.1 * (1 + q))))
    noise = laplace(rng.random((zones, days)), scale)
    small = 1 / (0.02 * epsilon)
    head_noise, band_noise = laplace(rng.random(1), small)[0], laplace(rng.random(3), small)
    sheet = sheet_of(people.astype(int).tolist())
    there, consenting, before, found = of_bands.sum(axis=0), of_bands, 100, []
    for percent in percents:
        consenting = rng.binomial(consenting, percent / before)
        before = percent
        rows = consenting.sum(axis=1)[:, None] + noise >= threshold
        head = int(np.clip(consenting.sum() + head_noise, 1, there.sum()))
        bands = np.clip(consenting.sum(axis=0) + band_noise, 0, there)
        figures = figures_of(
            sheet,
            rows.astype(int).tolist(),
            consent=Consent(head, int(there.sum())),
            bands=tuple(zip(bands.tolist(), there.tolist(), strict=True)),
            noise_micro=round(2 * q / (1 - q) ** 2 * 10**6),
        )
        found.append(figures)
    return sheet, found


@pytest.mark.parametrize(
    ("each_day", "part"),
    [
        (True, 8),
        pytest.param(True, 1, marks=pytest.mark.deep),
        pytest.param(False, 1, marks=pytest.mark.deep),
    ],
)
def test_less_consent_never_raises_a_price_and_a_cell_never_costs_much_more(*, each_day: bool, part: int) -> None:
    """part: one city of so many."""
    path = SHARED / "vectors" / "cities.json"
    if not path.exists():
        pytest.skip("the worked examples are not here; PARTAGE_SHARED names the folder that holds vectors/cities.json")
    stated = json.loads(path.read_text())["price"]
    assert len(stated["cities"]) == 200
    for city in stated["cities"][::part]:
        sheet, releases = releases_of(city, stated["consent_percent"], city["days"] if each_day else 1)
        amounts = [cost_of(sheet, one) for one in releases]
        assert amounts == sorted(amounts, reverse=True), (city, amounts)
        assert amounts[-1] <= 0.15 * amounts[0], (city, amounts)
        cells = [sum(map(sum, one.published.values())) for one in releases]
        a_cell = [amount / rows for amount, rows in zip(amounts, cells, strict=True) if rows]
        assert max(a_cell) <= 2 * a_cell[0], (city, a_cell)


def one_zone(*, bands: Sequence[tuple[int, int]], **stated: Any) -> Points:
    """Return the points of one zone's week where so many of each band consent, of so many."""
    people, of = (sum(each) for each in zip(*bands, strict=True))
    sheet = sheet_of([of])
    return points_of(sheet, figures_of(sheet, [[1] * 7], consent=Consent(people, of), bands=tuple(bands), **stated))


def test_two_million_who_chose_to_answer_count_as_four_hundred() -> None:
    """Meng's example: 2.3 million of 230 million, where answering and what is asked correlate by 0.005."""
    few, all_ = (price_of(one_zone(bands=[(people, 230_000_000)])).amount_minor for people in (2_300_000, 230_000_000))
    assert few * 5 < all_, "every cell is published in both"
    correlations = Fraction(2_500, 10**6), Fraction(25, 10**6)
    assert 395 < 1 / least_bias(((2_300_000, 230_000_000),), *correlations) < 410
    assert least_bias(((230_000_000, 230_000_000),), *correlations) == 0


def test_bands_that_consent_unevenly_cost_less() -> None:
    """What is paid for in privacy, who consents of each band, moves the price."""
    amounts = [
        price_of(one_zone(bands=[(20_000 + by, 50_000), (20_000 - by, 50_000)])).amount_minor
        for by in (0, 2_000, 10_000, 19_000)
    ]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[-1] < 0.8 * amounts[0]


def test_every_step_of_the_waterfall_moves() -> None:
    """No step is constantly zero."""
    sheet = sheet_of([900, 400])
    bands, published = ((600, 700), (100, 600)), [[1] * 7, [1] * 6 + [0]]
    rich = points_of(sheet, figures_of(sheet, published, consent=Consent(700, 1_300), bands=bands))
    law = Law(currency="EUR", volume=((0, 10_000), (10, 5_000)), least_minor=1)
    terms = {"demand": {"all": 12_000}, "purposes": ("planning",), "hours": 90 * 24}
    steps = {step.name: step.amount_minor for step in price_of(rich, law=law, **terms).waterfall}
    assert tuple(steps) == STEPS
    assert steps.pop("full_worth") > 0
    assert steps.pop("demand") > 0
    assert steps.pop("least_charge") == 0
    assert all(amount < 0 for amount in steps.values()), steps
    dear = Law(currency="EUR", volume=((0, 10_000),), least_minor=10**9)
    assert price_of(rich, law=dear, **terms).waterfall[-1].amount_minor > 0


@pytest.mark.parametrize("seed", [5, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(6, 10))])
def test_less_consent_in_one_band_alone_never_raises_a_price(seed: int) -> None:
    """Bands as uneven as you like, nested withdrawals of any of them; then the case that made a price four times as dear."""
    rng = np.random.default_rng(seed)
    for _ in range(60):
        of = rng.integers(1, 500_000, rng.integers(1, 8))
        people, before = rng.binomial(of, rng.random(len(of))), 2**53
        while people.sum() > 1:
            bands = list(zip(people.tolist(), of.tolist(), strict=True))
            amount = price_of(one_zone(bands=bands)).amount_minor
            assert amount <= before
            before = amount
            people = np.where(rng.random(len(of)) < 0.5, rng.binomial(people, rng.random(len(of))), people)
    of_all = (400_000, 350_000, 250_000)
    uneven, even = (
        price_of(one_zone(bands=list(zip(people, of_all, strict=True)))).amount_minor
        for people in ((400_000, 70_000, 50_000), (80_000, 70_000, 50_000))
    )
    assert even <= uneven < 1.2 * even, "who is in one band only adds little"


def part_of(figures: Figures, first: int, last: int) -> Figures:
    """Return the days [first, last) of a release as one of its own."""
    published = {figure: days[first:last] for figure, days in figures.published.items()}
    stated = {name: getattr(figures, name) for name in ("steps", "zones", "consent", "bands", "noise_micro")}
    return Figures(days=figures.days[first:last], published=published, **stated)


@pytest.mark.parametrize("half_life", [7, 30])
@pytest.mark.parametrize("rate", [10_000, 3_000])
def test_no_part_costs_more_than_its_whole_however_unevenly_days_are_published(half_life: int, rate: int) -> None:
    """Withhold whole days and shares of them: a part is never dearer, parts together never cheaper, to the cent."""
    law = Law(currency="EUR", volume=((0, 10_000), (100, rate)), least_minor=1)
    terms: dict[str, Any] = {"law": law, "half_life_hours": 24 * half_life}
    sheet = sheet_of([500] * 10)
    week, month = (figures_of(sheet, [[0] * days + [1] * 7] * 10) for days in (0, 21))
    assert cost_of(sheet, month, **terms) == cost_of(sheet, week, **terms), "the last of four weeks, and nothing else"
    rng = np.random.default_rng(half_life)
    for share in (1.0, 0.02, *rng.random(30)):
        figures = figures_of(sheet, (rng.random((10, 28)) < share).astype(int).tolist())
        whole = cost_of(sheet, figures, **terms)
        cuts = sorted({0, 28, *map(int, rng.integers(1, 28, 3))})
        parts = [cost_of(sheet, part_of(figures, *days), **terms) for days in pairwise(cuts)]
        assert max(parts) <= whole <= sum(parts)
        if rate == 10_000:
            assert sum(parts) <= whole + len(parts)


def test_the_day_that_summer_time_ends_costs_as_much_alone_as_in_its_week() -> None:
    """Its 25 hours are its own, where nothing else of the week is published too."""
    sheet = sheet_of([500])
    last = Hours(NOON - 25, NOON)
    days = [Hours(NOON - 25 - 24 * ago, NOON - 1 - 24 * ago) for ago in range(6, 0, -1)]
    week = figures_of(sheet, [[0] * 6 + [1]], days=[*days, last])
    assert cost_of(sheet, week) == cost_of(sheet, figures_of(sheet, [[1]], days=[last]))
    assert cost_of(sheet, week) > cost_of(sheet, figures_of(sheet, [[1]], days=[Hours(NOON - 24, NOON)]))


def test_a_term_in_pieces_costs_no_less_than_at_once() -> None:
    """Renewing a licence on the day it ends, on data as much older, saves nothing; a longer one never costs less."""
    points = one_zone(bands=[(6_000, 10_000)])
    for months, half_life in (((1, 11), 30), ((6, 6), 200), ((3, 1), 1_000), ((1,) * 12, 14), ((1,) * 12, 60)):
        for day in (dt.date(2027, 7, 1), dt.date(2028, 2, 1), dt.date(2027, 11, 30)):
            start = dt.datetime.combine(day, dt.time(), dt.UTC)
            ends = [start, *(months_later(start, done) for done in accumulate(months))]
            at = [int(end.timestamp()) // 3_600 for end in ends]
            assert at[0] >= NOON
            terms: dict[str, Any] = {"half_life_hours": 24 * half_life, "worth_micro": 10**13}
            whole = price_of(points, since=at[0], hours=at[-1] - at[0], **terms).amount_minor
            pieces = [price_of(points, since=a, hours=b - a, **terms).amount_minor for a, b in pairwise(at)]
            assert max(pieces) <= whole <= sum(pieces)
            assert whole > 1, "not the least charge alone"
    rights = [price_of(points, right=right).amount_minor for right in ("internal", "publish")]
    assert rights == sorted(set(rights))
