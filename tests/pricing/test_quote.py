"""A price: what its inputs say, explained to the unit, the same for ever, and readable by anybody."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from fractions import Fraction
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing.quote import (
    SAFE_INTEGER,
    PriceInputs,
    canonical,
    covering_floor,
    from_canonical,
    price,
    price_at_age,
)
from pricing.refusals import Mismatched, Negative, NotWhole, OutOfRange, PricingRefusal, Tampered, TooLarge, UnknownRule

DAY = 86_400
CITY = PriceInputs(
    currency="EUR",
    full_worth_minor=500_000,
    people_median_cell=800,
    population_median_cell=2_500,
    representativeness_per_mille=930,
    association_squared_per_mille=10,
    variance_micro=250_000,
    noise_variance_micro=50_000_000,
    prior_observations=400,
    age_seconds=9 * DAY + 77,
    half_life_days=45,
    drift_per_mille=1,
    demand_basis_points=10_400,
    floor_minor=20_000,
    cap_minor=900_000,
)
NAMES = ["full_worth", "coverage", "representativeness", "accuracy", "freshness", "demand", "floor", "cap"]


@st.composite
def inputs(draw: st.DrawFn) -> PriceInputs:
    """Draw any inputs that can be priced."""
    population = draw(st.integers(1, 10**7))
    cap = draw(st.integers(0, 10**9))
    return PriceInputs(
        currency=draw(st.sampled_from(["EUR", "CHF"])),
        full_worth_minor=draw(st.integers(0, 10**9)),
        people_median_cell=draw(st.integers(1, population)),
        population_median_cell=population,
        representativeness_per_mille=draw(st.integers(0, 1000)),
        association_squared_per_mille=draw(st.integers(0, 1000)),
        variance_micro=draw(st.integers(1, 10**9)),
        noise_variance_micro=draw(st.integers(0, 10**12)),
        prior_observations=draw(st.integers(1, 10**6)),
        age_seconds=draw(st.integers(0, 10**9)),
        half_life_days=draw(st.integers(1, 10**4)),
        drift_per_mille=draw(st.integers(0, 10**4)),
        demand_basis_points=draw(st.integers(0, 10**5)),
        floor_minor=draw(st.integers(0, cap)),
        cap_minor=cap,
    )


@settings(deadline=None)
@given(inputs())
def test_the_waterfall_sums_to_a_price_between_floor_and_cap(given_inputs: PriceInputs) -> None:
    """Always the same eight steps, exactly the price, and the price inside its ends."""
    quote = price(given_inputs)
    assert [step.name for step in quote.waterfall] == NAMES
    assert sum(step.amount_minor for step in quote.waterfall) == quote.amount_minor
    assert given_inputs.floor_minor <= quote.amount_minor <= given_inputs.cap_minor
    signs = {step.name: step.amount_minor for step in quote.waterfall}
    assert all(signs[name] <= 0 for name in ("coverage", "representativeness", "accuracy", "freshness", "cap"))
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
    """Older never costs more; more people, less noise and a more representative group never cost less."""
    cost = price(one).amount_minor
    older = price_at_age(one, one.age_seconds + age)
    assert older.amount_minor <= cost
    assert older.inputs.age_seconds == one.age_seconds + age
    more = min(one.people_median_cell + people, one.population_median_cell)
    assert price(replace(one, people_median_cell=more)).amount_minor >= cost
    assert price(replace(one, noise_variance_micro=max(0, one.noise_variance_micro - noise))).amount_minor >= cost
    fairer = min(1000, one.representativeness_per_mille + r)
    assert price(replace(one, representativeness_per_mille=fairer)).amount_minor >= cost


def test_this_price_is_for_ever() -> None:
    """Rule 1 on stated inputs: were this to change, quotes already signed would no longer verify."""
    quote = price(CITY)
    assert {step.name: step.amount_minor for step in quote.waterfall} == {
        "full_worth": 500_000,
        "coverage": -126_866,
        "representativeness": -12_865,
        "accuracy": -29_767,
        "freshness": -52_310,
        "demand": 11_128,
        "floor": 0,
        "cap": 0,
    }
    assert quote.amount_minor == 289_320


def test_the_price_by_hand() -> None:
    """One cell whose losses are round numbers: 1/n_eff = 1/200, a prior of 200, one half-life old."""
    quote = price(
        PriceInputs(
            currency="EUR",
            full_worth_minor=80_000,
            people_median_cell=100,
            population_median_cell=200,
            variance_micro=1_000_000,
            noise_variance_micro=0,
            prior_observations=200,
            age_seconds=30 * DAY,
            half_life_days=30,
            demand_basis_points=15_000,
            floor_minor=31_000,
            cap_minor=31_500,
        )
    )
    assert [step.amount_minor for step in quote.waterfall] == [80_000, -40_000, 0, 0, -20_000, 10_000, 1_000, 0]
    capped = price(replace(quote.inputs, floor_minor=0, cap_minor=25_000))
    assert [step.amount_minor for step in capped.waterfall][-3:] == [10_000, 0, -5_000]


def test_coverage_moves_a_village_and_a_country_alike() -> None:
    """Median cells that differ a thousandfold in people, and coverage that doubles: both prices rise visibly."""
    for population in (200, 200_000):
        thin, thick = (
            price(
                replace(
                    CITY,
                    people_median_cell=population * part // 10,
                    population_median_cell=population,
                    association_squared_per_mille=100,
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
    document["inputs"][name] = "USD" if name == "currency" else document["inputs"][name] + by
    changed = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    try:
        read = from_canonical(changed)
    except PricingRefusal:
        return
    # Some inputs do not reach the price here (a cap that does not bind); then what they were read as is what is stated.
    assert canonical(read) == changed
    assert getattr(read.inputs, name) == document["inputs"][name]


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
        canonical(price(CITY)).replace(b'"amount_minor":289320', b'"amount_minor":289319'),
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
        (lambda: replace(CITY, people_median_cell=0), OutOfRange),
        (lambda: replace(CITY, people_median_cell=2_501), OutOfRange),
        (lambda: replace(CITY, representativeness_per_mille=1_001), OutOfRange),
        (lambda: replace(CITY, association_squared_per_mille=1_001), OutOfRange),
        (lambda: replace(CITY, variance_micro=0), OutOfRange),
        (lambda: replace(CITY, prior_observations=0), OutOfRange),
        (lambda: replace(CITY, half_life_days=0), OutOfRange),
        (lambda: replace(CITY, floor_minor=900_001), OutOfRange),
        (lambda: price(replace(CITY, rule_version=0)), UnknownRule),
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
