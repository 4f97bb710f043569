"""The price moves with what is sold: attacks on consent, on amounts, and on the menu as a whole.

The cities are lognormal: consent thins their people, noise is coupled across the levels of consent, the floor is zero.
Everything is seeded, so what holds once holds always.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import os
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from marketplace.catalogue.offers import rules
from marketplace.sales.orders.rules import months_later
from tests.catalogue.builders import DAY, PRICED_AT, figures_of_days, price_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


SHARED = Path(os.environ.get("PARTAGE_SHARED", Path(__file__).parents[3] / "shared"))


def bands(*people: int, of: Sequence[int] = (50_000, 50_000)) -> dict[str, Any]:
    """Return the figures of who consents of each of some age bands."""
    return {
        "consenting": sum(people),
        "population": sum(of),
        "consenting_by_band": list(people),
        "population_by_band": list(of),
    }


def laplace(uniform: NDArray[np.float64], scale: float) -> NDArray[np.int64]:
    """Return discrete Laplace noise by inversion of shared uniforms: P(X <= -k) is q^k / (1 + q)."""
    q = math.exp(-1 / scale)
    below = np.where(uniform < 0.5, uniform, 1 - uniform)
    size = np.maximum(np.floor(np.log(below * (1 + q)) / math.log(q)), 0).astype(np.int64)
    return np.where(uniform < 0.5, -size, size)


def releases_of(city: dict[str, Any], percents: list[int], reach: int) -> list[dict[str, Any]]:
    """Return the figures of one city's release at each level of consent, the highest first.

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
    population, start = int(people.sum()), PRICED_AT - (2 + days) * DAY
    consenting, before, found = of_bands, 100, []
    for percent in percents:
        consenting = rng.binomial(consenting, percent / before)
        before = percent
        noisy = consenting.sum(axis=1)[:, None] + noise
        rows = noisy >= threshold
        last = int(np.flatnonzero(rows.any(axis=0)).max(initial=-1)) + 1
        head = int(np.clip(consenting.sum() + head_noise, 1, population))
        median = int(np.median(noisy[rows])) if rows.any() else 1
        there = of_bands.sum(axis=0)
        found.append(
            {
                "period_from": start,
                "latest_event_at": start + (last or days) * DAY,
                "key_count": zones * days,
                "row_count": int(rows.sum()),
                "consenting": head,
                "population": population,
                "consenting_by_band": np.clip(consenting.sum(axis=0) + band_noise, 0, there).tolist(),
                "population_by_band": there.tolist(),
                "hours_by_day": [24] * days,
                "published_by_day": rows.sum(axis=0).tolist(),
                "noise_variance_micro": round(2 * q / (1 - q) ** 2 * 10**6),
                "median_cell_people": median,
                "median_cell_population": max(median, median * population // head),
            }
        )
    return found


@pytest.mark.parametrize(
    "each_day",
    [True, pytest.param(False, marks=pytest.mark.deep)],
    ids=["counted every day", "counted once"],
)
def test_less_consent_never_raises_a_price_and_a_cell_never_costs_much_more(*, each_day: bool) -> None:
    path = SHARED / "vectors" / "cities.json"
    if not path.exists():
        pytest.skip("the worked examples are not here; PARTAGE_SHARED names the folder that holds vectors/cities.json")
    stated = json.loads(path.read_text())["price"]
    assert len(stated["cities"]) == 200
    for city in stated["cities"]:
        releases = releases_of(city, stated["consent_percent"], city["days"] if each_day else 1)
        amounts = [price_of(one).amount_minor if one["row_count"] else 0 for one in releases]
        assert amounts == sorted(amounts, reverse=True), (city, amounts)
        assert amounts[-1] <= 0.15 * amounts[0], (city, amounts)
        a_cell = [amount / one["row_count"] for amount, one in zip(amounts, releases, strict=True) if one["row_count"]]
        assert max(a_cell) <= 2 * a_cell[0], (city, a_cell)


def test_two_million_who_chose_to_answer_count_as_four_hundred() -> None:
    """Meng's example: 2.3 million of 230 million, where answering and what is asked correlate by 0.005."""
    few, all_ = (price_of({"consenting": people, "population": 230_000_000}) for people in (2_300_000, 230_000_000))
    assert few.amount_minor * 5 < all_.amount_minor, "every cell is published in both"
    inputs: Any = few.inputs
    assert 395 < inputs.counts_as < 410
    inputs = all_.inputs
    assert inputs.counts_as is None


def test_bands_that_consent_unevenly_cost_less() -> None:
    """What is paid for in privacy, who consents of each band, moves the price."""
    amounts = [price_of(bands(20_000 + by, 20_000 - by)).amount_minor for by in (0, 2_000, 10_000, 19_000)]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[-1] < 0.8 * amounts[0]


def test_every_step_of_the_waterfall_moves() -> None:
    """No step is constantly zero."""
    rich = {"noise_variance_micro": 40_000_000, "row_count": 600} | bands(45_000, 15_000)
    terms = {"demand_basis_points": 12_000, "worth_days": 30, "months": 3}
    steps = {step.name: step.amount_minor for step in price_of(rich, terms).waterfall}
    assert steps.pop("full_worth") > 0
    assert steps.pop("demand") > 0
    assert (steps.pop("floor"), steps.pop("cap")) == (0, 0)
    assert sorted(steps) == sorted(
        ("period", "cells", "coverage", "representativeness", "accuracy", "freshness", "right", "term")
    )
    assert all(amount < 0 for amount in steps.values()), steps
    assert price_of(rich, terms | {"floor_minor": 10**9}).waterfall[-2].amount_minor > 0
    assert price_of(rich, terms | {"cap_minor": 1_000}).waterfall[-1].amount_minor < 0


@pytest.mark.parametrize("seed", [5, *(pytest.param(seed, marks=pytest.mark.deep) for seed in range(6, 10))])
def test_less_consent_in_one_band_alone_never_raises_a_price(seed: int) -> None:
    """Bands as uneven as you like, nested withdrawals of any of them; then the case that made a price four times as dear."""
    rng = np.random.default_rng(seed)
    for _ in range(60):
        of = rng.integers(1, 500_000, rng.integers(1, 8))
        people, before = rng.binomial(of, rng.random(len(of))), 10**11
        while people.sum() > 1:
            amount = price_of(bands(*people.tolist(), of=of.tolist()), {"full_worth_minor": 10**9}).amount_minor
            assert amount <= before
            before = amount
            people = np.where(rng.random(len(of)) < 0.5, rng.binomial(people, rng.random(len(of))), people)
    of = (400_000, 350_000, 250_000)
    uneven, even = (
        price_of(bands(*people, of=of)).amount_minor for people in ((400_000, 70_000, 50_000), (80_000, 70_000, 50_000))
    )
    assert even <= uneven < 1.2 * even, "who is in one band only adds little"


@pytest.mark.parametrize("half_life", [7, 30])
def test_no_part_costs_more_than_its_whole_however_unevenly_days_are_published(half_life: int) -> None:
    """Withhold whole days and shares of them: a part is never dearer, parts together never cheaper, to the cent."""
    terms = {"half_life_days": half_life}
    month = price_of(figures_of_days(*[0] * 21, *[100] * 7), terms).amount_minor
    assert month == price_of(figures_of_days(*[100] * 7), terms).amount_minor, (
        "the last of four weeks, and nothing else"
    )
    falling = [100] * 7 + [70] * 7 + [50] * 7 + [30] * 7
    lone = [100] * 7 + [0] * 20 + [1]
    rng = np.random.default_rng(half_life)
    for cells in (falling, lone, *(rng.integers(0, 101, 28) * (rng.random(28) < 0.7) for _ in range(40))):
        days = list(map(int, cells))
        whole = price_of(figures_of_days(*days), terms).amount_minor
        cuts = sorted({0, 28, *map(int, rng.integers(1, 28, 3))})
        parts = [
            price_of(figures_of_days(*days[start:to], last=to), terms).amount_minor
            for start, to in pairwise(cuts)
            if any(days[start:to])
        ]
        assert max(parts) <= whole <= sum(parts) <= whole + len(parts)


def test_the_day_that_summer_time_ends_costs_as_much_alone_as_in_its_week() -> None:
    """Its 25 hours are its own, where nothing else of the week is published too."""
    end = PRICED_AT - 2 * DAY
    week = figures_of_days(0, 0, 0, 0, 0, 0, 100) | {
        "period_from": end - 7 * DAY - dt.timedelta(hours=1),
        "period_to": end,
        "latest_event_at": end,
        "hours_by_day": [24] * 6 + [25],
    }
    day = figures_of_days(100) | {
        "period_from": end - dt.timedelta(hours=25),
        "period_to": end,
        "latest_event_at": end,
        "hours_by_day": [25],
    }
    assert price_of(week).amount_minor == price_of(day).amount_minor


def span(first: int, days: int, **other: Any) -> dict[str, Any]:
    """Return the figures of the days [first, first + days) of four weeks, a hundred cells a day."""
    start = PRICED_AT - 30 * DAY + first * DAY
    return {
        "period_from": start,
        "period_to": start + days * DAY,
        "latest_event_at": start + days * DAY,
        "key_count": 100 * days,
        "row_count": 100 * days,
        **other,
    }


@pytest.mark.parametrize("bounds", [(0, 10**11), (70_000, 10**11), (0, 900_000), (100_000, 500_000)])
def test_days_cost_what_their_weeks_cost_and_a_day_never_more(bounds: tuple[int, int]) -> None:
    """Split four weeks anywhere, at any age and worth: the parts cover the whole's price, and none exceeds it."""
    rng = np.random.default_rng(11)
    for _ in range(60):
        terms = {
            "full_worth_minor": int(rng.integers(1, 10**7)),
            "half_life_days": int(rng.integers(1, 400)),
            "floor_minor": bounds[0],
            "cap_minor": bounds[1],
            "demand_basis_points": int(rng.choice(rules.DEMAND_GRID)),
        }
        quality = {"consenting": int(rng.integers(1, 100_000)), "noise_variance_micro": int(rng.integers(0, 10**9))}
        cuts = sorted({0, 28, *map(int, rng.integers(1, 28, rng.integers(1, 27)))})
        whole = price_of(span(0, 28, **quality), terms).amount_minor
        parts = [price_of(span(at, to - at, **quality), terms).amount_minor for at, to in pairwise(cuts)]
        assert max(parts) <= whole <= sum(parts)
    day, month = (price_of(span(28 - days, days)).amount_minor for days in (1, 28))
    assert 20 * day < month < 28 * day, "the earlier days are older"


def test_a_term_in_pieces_costs_no_less_than_at_once() -> None:
    """Renewing a licence on the day it ends, on data as much older, saves nothing; a longer one never costs less."""
    for months, half_life in (((1, 11), 30), ((6, 6), 200), ((3, 1), 1_000), ((1,) * 12, 14), ((1,) * 12, 60)):
        for day in (dt.date(2026, 7, 1), dt.date(2027, 2, 1), dt.date(2026, 11, 30)):
            start = dt.datetime.combine(day, dt.time(), dt.UTC)
            ends = [start, *(months_later(start, done) for done in accumulate(months))]
            own = week_ended_at(start) | {"row_count": 700}
            terms = {"half_life_days": half_life}
            whole = price_of(own, terms | {"months": sum(months)}, now=start).amount_minor
            pieces = [
                price_of(own, terms | {"months": length}, now=begins).amount_minor
                for length, begins in zip(months, ends, strict=False)
            ]
            assert max(pieces) <= whole <= sum(pieces)
    rights = [price_of({}, {"usage_right": right}).amount_minor for right in ("internal", "publish", "resell")]
    assert rights == sorted(set(rights))


def week_ended_at(at: dt.datetime) -> dict[str, Any]:
    """Return when a week is that ended at an instant."""
    return {"period_from": at - 7 * DAY, "period_to": at, "latest_event_at": at}
