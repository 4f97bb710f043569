"""A price: what its inputs say, explained to the unit, the same for ever, and readable by anybody."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from fractions import Fraction
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.money import SAFE_INTEGER
from pricing.quote import (
    Band,
    Day,
    PriceInputs,
    canonical,
    covering_floor,
    from_canonical,
    price,
    price_at_age,
    quality,
)
from pricing.refusals import (
    Empty,
    Mismatched,
    Negative,
    NotWhole,
    OutOfRange,
    PricingRefusal,
    Tampered,
    TooLarge,
    UnknownRule,
)
from pricing.valuation import noise_loss, sampling_loss, selection_loss
from tests.pricing.builders import CITY, DAY, inputs

NAMES = ["full_worth", "period", "cells", "coverage", "representativeness", "accuracy"]
NAMES += ["freshness", "right", "term", "demand", "floor", "cap"]
FALLING = ["cells", "coverage", "representativeness", "accuracy", "freshness", "right", "term", "cap"]


@settings(deadline=None)
@given(inputs())
def test_the_waterfall_sums_to_a_price_between_floor_and_cap(given_inputs: PriceInputs) -> None:
    """Always the same steps, exactly the price, and the price inside its ends."""
    quote = price(given_inputs)
    assert [step.name for step in quote.waterfall] == NAMES
    assert sum(step.amount_minor for step in quote.waterfall) == quote.amount_minor
    assert given_inputs.floor_minor <= quote.amount_minor <= given_inputs.cap_minor
    signs = {step.name: step.amount_minor for step in quote.waterfall}
    assert all(signs[name] <= 0 for name in FALLING)
    assert signs["floor"] >= 0


@settings(deadline=None)
@given(inputs())
def test_a_quote_is_recomputed_from_its_own_bytes(given_inputs: PriceInputs) -> None:
    """Bytes to quote to the same bytes."""
    quote = price(given_inputs)
    assert from_canonical(canonical(quote)) == quote


@settings(deadline=None)
@given(inputs(), st.integers(0, 10**9), st.integers(1, 10**7), st.integers(0, 10**12), st.integers(0, 1000))
def test_a_price_rises_and_falls_as_worth_does(one: PriceInputs, age: int, people: int, noise: int, r: int) -> None:
    """Older never costs more; more people, in all or in one band, more figures and less noise never cost less."""
    cost = price(one).amount_minor
    older = price_at_age(one, one.age_seconds + age)
    assert older.amount_minor <= cost
    assert older.inputs.age_seconds == one.age_seconds + age
    (day, *days), bands = one.days, one.bands
    fuller = replace(day, published_cells=min(day.published_cells + people, day.declared_cells))
    more = tuple(
        replace(band, people=min(band.people + people * (at == r % len(bands)), band.population))
        for at, band in enumerate(bands)
    )
    changes: dict[str, Any] = {
        "days": (fuller, *days),
        "bands": more,
        "people": min(one.people + people, one.population),
        "noise_variance_micro": max(0, one.noise_variance_micro - noise),
        "right_basis_points": min(10**4, one.right_basis_points + r),
        "term_months": one.term_months and one.term_months + r,
    }
    assert price(replace(one, days=(day, *one.days))).amount_minor >= cost, "an earlier day in addition"
    for name, better in changes.items():
        assert price(replace(one, **{name: better})).amount_minor >= cost, name


@settings(deadline=None)
@given(inputs(), st.integers(1, 8))
def test_a_period_costs_no_more_than_its_parts_and_no_less_than_each(one: PriceInputs, cut: int) -> None:
    """Any days cut in two, however full each is: additive but for rounding up, at the ends too."""
    early, late = one.days[:cut], one.days[cut:]
    whole = price(one).amount_minor
    if late:
        later = price(replace(one, days=late)).amount_minor
        after = 3_600 * sum(day.hours for day in late)
        older = price_at_age(replace(one, days=early), one.age_seconds + after).amount_minor
        assert max(older, later) <= whole <= older + later


@settings(deadline=None)
@given(inputs())
def test_a_day_without_a_figure_costs_nothing(one: PriceInputs) -> None:
    """Before, between and after: the others cost as much with it."""
    empty = Day(24, 0, 7)
    both = (one.days[0], empty, *one.days[1:])
    between = replace(one, days=both)
    apart = replace(one, days=(one.days[0], replace(empty, declared_cells=9), *one.days[1:]))
    assert price(between).amount_minor == price(apart).amount_minor
    amount = price(one).amount_minor
    assert price(replace(one, days=(empty, *one.days))).amount_minor == amount
    if one.age_seconds >= DAY:
        assert price(replace(one, days=(*one.days, empty), age_seconds=one.age_seconds - DAY)).amount_minor == amount


@settings(deadline=None)
@given(inputs())
def test_the_losses_are_those_of_the_books(one: PriceInputs) -> None:
    """The rule computes them on one denominator; `pricing.valuation` says what they are."""
    people, population = one.people, one.population
    variances = Fraction(one.variance_micro, 10**6), Fraction(one.noise_variance_micro, 10**6)
    cell = sampling_loss(people, population) * one.cells_at_once
    cell += noise_loss(people, *variances) * one.cells_at_once**2
    published = Fraction(one.published_cells, one.declared_cells)
    expected = published / (1 + one.survey_people * one.bias) / (1 + one.prior_observations * cell)
    assert quality(one, published) == expected
    unseen = Fraction(one.unseen_squared_micro, 10**6)
    assert replace(one, bands=()).bias == selection_loss(people, population, unseen)
    loss = one.bias + sampling_loss(people, population)
    if loss:
        drawn = one.counts_as
        assert drawn is not None
        assert drawn <= people, "those who choose to be in are as good as so many drawn at random, or fewer"
        assert drawn < 1 or sampling_loss(drawn, population) >= loss > sampling_loss(drawn + 1, population)
    else:
        assert one.counts_as is None


def test_this_price_is_for_ever() -> None:
    """The rule on stated inputs: were this to change, quotes already signed would no longer verify."""
    quote = price(CITY)
    assert {step.name: step.amount_minor for step in quote.waterfall} == {
        "full_worth": 500_000,
        "period": -248_511,
        "cells": -50_037,
        "coverage": -6_624,
        "representativeness": -35_018,
        "accuracy": -17_236,
        "freshness": -25_942,
        "right": -23_326,
        "term": -22_273,
        "demand": 2_841,
        "floor": 0,
        "cap": 0,
    }
    assert quote.amount_minor == 73_874


def test_the_price_by_hand() -> None:
    """Losses that are round numbers, one half-life of age and one of term, and a span so short that it has no age."""
    quote = price(
        PriceInputs(
            currency="EUR",
            full_worth_minor=80_000_000,
            worth_days=1,
            days=(Day(12, 3, 4),),
            cells_at_once=1,
            people=100,
            population=200,
            unseen_squared_micro=1_000,
            variance_micro=1_000_000,
            noise_variance_micro=50_000_000,
            prior_observations=200,
            survey_people=1_000,
            age_seconds=30_000 * DAY,
            half_life_days=30_000,
            right_basis_points=5_000,
            demand_basis_points=15_000,
            floor_minor=3_100_000,
            cap_minor=3_150_000,
        )
    )
    steps = [step.amount_minor for step in quote.waterfall]
    # Of half a day three quarters; half of it sampled, 1/200 × 200; half of that biased, 1/1000 × 1000; 1 + 1 + 1 noisy.
    assert steps[:6] == [80_000_000, -40_000_000, -10_000_000, -15_000_000, -7_500_000, -2_500_000]
    assert sum(steps[:7]) == pytest.approx(2_500_000, rel=1e-4)
    assert sum(steps[:8]) == pytest.approx(1_250_000, rel=1e-4)
    assert steps[8] == 0
    assert sum(steps[:10]) == pytest.approx(1_875_000, rel=1e-4)
    assert quote.amount_minor == 3_100_000
    capped = price(replace(quote.inputs, floor_minor=0, cap_minor=25_000))
    assert capped.amount_minor == 25_000


def test_coverage_moves_a_village_and_a_country_alike() -> None:
    """Areas that differ a thousandfold in people, and coverage that doubles: both prices rise visibly."""
    for population in (2_000, 2_000_000):
        thin, thick = (
            price(
                replace(
                    CITY,
                    people=population * part // 10,
                    population=population,
                    bands=(),
                    cells_at_once=1,
                    floor_minor=0,
                )
            ).amount_minor
            for part in (2, 4)
        )
        assert thick > thin * 1.05


def test_a_signature_over_canonical_bytes_verifies_offline_and_breaks_with_any_change() -> None:
    """Ed25519 as the catalogue uses it: the bytes are all there is to sign."""
    key = Ed25519PrivateKey.generate()
    data = canonical(price(CITY))
    signature = key.sign(data)
    key.public_key().verify(signature, data)
    with pytest.raises(InvalidSignature):
        key.public_key().verify(signature, canonical(price(replace(CITY, demand_basis_points=10_401))))


@settings(deadline=None, max_examples=40)
@given(st.sampled_from([field.name for field in fields(PriceInputs)]), st.integers(1, 50))
def test_any_input_changed_without_its_price_is_noticed(name: str, by: int) -> None:
    """Each input is bound to what follows from it, or to the bytes themselves."""
    document = json.loads(canonical(price(CITY)))
    stated = document["inputs"]
    if name in {"days", "bands"}:
        stated[name][by % len(stated[name])]["hours" if name == "days" else "population"] += by
    else:
        stated[name] = "USD" if name == "currency" else stated[name] + by
    changed = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    try:
        read = from_canonical(changed)
    except PricingRefusal:
        return
    # Some inputs do not reach the price here (a cap that does not bind); then what they were read as is what is stated.
    assert canonical(read) == changed
    assert asdict(read.inputs) == stated | {each: tuple(stated[each]) for each in ("days", "bands")}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"inputs":{}}',
        b'{"inputs":{"colour":1}}',
        b'{"inputs":[1]}',
        b"[" * 100_000,
        canonical(price(CITY)) + b" ",
        canonical(price(CITY)).replace(b'"amount_minor":73874', b'"amount_minor":73873'),
        canonical(price(CITY)).replace(b'"name":"demand"', b'"name":"gift"'),
        b'{"inputs":{},' + canonical(price(CITY))[1:],
    ],
)
def test_bytes_that_are_no_such_quote_are_refused(data: bytes) -> None:
    """Garbage, truncation, a price a cent off, another word, a key twice."""
    with pytest.raises(Tampered):
        from_canonical(data)


@settings(deadline=None)
@given(st.integers(0, 10**12), st.integers(1, 10_000))
def test_the_floor_covers_what_contributors_must_receive(promised: int, rate: int) -> None:
    """At the floor their part is enough; a cent below it is not."""
    floor = covering_floor(promised, rate)
    assert floor * rate // 10_000 >= promised
    assert floor == 0 or (floor - 1) * rate // 10_000 < promised


def test_an_uncertain_worth_is_rounded_half_to_even() -> None:
    """Running totals are rounded, never the steps, so no step drifts."""
    quote = price(replace(CITY, full_worth_minor=1, floor_minor=0))
    assert sum(step.amount_minor for step in quote.waterfall) == quote.amount_minor
    assert round(Fraction(1, 2)) == 0


@pytest.mark.parametrize(
    ("made", "refusal"),
    [
        (lambda: replace(CITY, full_worth_minor=-1), Negative),
        (lambda: replace(CITY, full_worth_minor=1.0), NotWhole),
        (lambda: replace(CITY, full_worth_minor=10**18), TooLarge),
        (lambda: replace(CITY, full_worth_minor=SAFE_INTEGER + 1), TooLarge),
        (lambda: replace(CITY, age_seconds=-1), Negative),
        (lambda: replace(CITY, age_seconds=float("inf")), NotWhole),
        (lambda: replace(CITY, currency="euro"), Mismatched),
        (lambda: replace(CITY, people=0), OutOfRange),
        (lambda: replace(CITY, people=355_001), OutOfRange),
        (lambda: Day(24, 1_001, 1_000), OutOfRange),
        (lambda: Day(0, 1, 1), OutOfRange),
        (lambda: Day(24, 0, 0), OutOfRange),
        (lambda: Day(24, 0.5, 1), NotWhole),
        (lambda: Band(1, 0), OutOfRange),
        (lambda: Band(11, 10), OutOfRange),
        (lambda: Band(-1, 10), Negative),
        (lambda: replace(CITY, days=()), Empty),
        (lambda: replace(CITY, days=(Day(1, 1, 1),) * 3_661), OutOfRange),
        (lambda: replace(CITY, right_basis_points=10_001), OutOfRange),
        (lambda: replace(CITY, association_squared_micro=999_976), OutOfRange),
        (lambda: replace(CITY, variance_micro=0), OutOfRange),
        (lambda: replace(CITY, prior_observations=0), OutOfRange),
        (lambda: replace(CITY, half_life_days=0), OutOfRange),
        (lambda: replace(CITY, floor_minor=900_001), OutOfRange),
        (lambda: price(replace(CITY, rule_version=0)), UnknownRule),
        (lambda: price(replace(CITY, rule_version=2)), UnknownRule),
        (lambda: price(replace(CITY, full_worth_minor=10**15, demand_basis_points=10**9)), TooLarge),
        (lambda: covering_floor(-1, 5), Negative),
        (lambda: covering_floor(1, 0), OutOfRange),
        (lambda: covering_floor(1, 10_001), OutOfRange),
    ],
)
def test_what_has_no_right_answer_is_refused_by_name(made: Callable[[], Any], refusal: type[PricingRefusal]) -> None:
    """A named refusal, never a wrong number."""
    with pytest.raises(refusal):
        made()
