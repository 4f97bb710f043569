"""The points of a release on its sheet: by figure, from public constants and published consent alone."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.refusals import Empty, Mismatched, OutOfRange
from pricing.sheet import Consent, Law, Segment, points_of
from tests.pricing.builders import AREAS, BY_AGE, LAW, NOON, SEGMENTS, ZONES, market_terms, sheet, three_days

WITHOUT_LIMIT: dict[str, Any] = {
    "consent": {"city": Consent(17_500, 17_500), "coast": Consent(12_000, 12_000)},
    "bands": ((29_500, 29_500),),
    "noise_micro": 0,
}


def total(release: Any, **how: Any) -> int:
    """Return all points of a release."""
    return sum(span.points for span in points_of(sheet(**how), release).spans)


def test_a_perfect_release_has_the_weight_of_each_figure() -> None:
    perfect = three_days(**WITHOUT_LIMIT)
    assert total(perfect) == 3 * sum(zone.weight for zone in ZONES.values())
    by_group = {(span.start, span.group): span.points for span in points_of(sheet(), perfect).spans}
    assert by_group[NOON - 24, "dear"] == ZONES["centre"].weight + ZONES["station"].weight
    assert len(by_group) == 6
    [declared, *others] = points_of(sheet(), perfect).stages
    assert set(others) == {declared} == {24 * total(perfect)}


def test_segments_multiply_points_and_divide_people() -> None:
    by_age = three_days(segments=BY_AGE)
    assert total(three_days(segments=BY_AGE, **WITHOUT_LIMIT), segments=BY_AGE) == 3 * total(
        three_days(**WITHOUT_LIMIT)
    )
    alike = {"": Segment(3, 10**6)}
    assert total(by_age, segments=BY_AGE) < total(three_days(), segments=alike), "fewer people are in each figure"


def test_a_pair_of_zones_is_the_same_figure_of_a_city_and_of_a_country() -> None:
    pair = {("centre>hill", ""): [1, 1, 1]}
    city, country = (three_days(areas, published=pair) for areas in (("city",), ("city", "coast")))
    assert total(city) == total(country) > 0
    assert sheet().perfect("centre>hill", "") == ZONES["centre"].weight * ZONES["hill"].weight


@pytest.mark.long
@given(st.data())
def test_points_never_rise_with_less_consent_more_noise_or_fewer_figures(data: st.DataObject) -> None:
    steps, consenting, noise = (
        st.lists(st.integers(0, 1), min_size=3, max_size=3),
        st.integers(0, 17_500),
        st.integers(0, 10**9),
    )
    counts = {cell: data.draw(steps) for cell in three_days().published}
    people = sorted(data.draw(st.tuples(consenting, consenting)))
    noises = sorted(data.draw(st.tuples(noise, noise)), reverse=True)
    published = ({cell: [0, *own[1:]] for cell, own in counts.items()}, counts)
    worse, better = (
        total(
            three_days(
                published=one, consent=three_days().consent | {"city": Consent(there, 17_500)}, noise_micro=noise
            )
        )
        for one, there, noise in zip(published, people, noises, strict=True)
    )
    assert worse <= better


@given(st.integers(1, 10**9), st.integers(2, 9))
def test_several_noisy_releases_have_no_fewer_points_than_their_average(noise: int, number: int) -> None:
    assert total(three_days(noise_micro=noise)) <= number * total(three_days(noise_micro=noise * number))


@given(st.integers(1, 17_499), st.integers(0, 10**9))
def test_two_releases_of_disjoint_people_have_no_fewer_points_than_one_of_all(part: int, noise: int) -> None:
    def of(people: int) -> int:
        consent = three_days().consent | {"city": Consent(people, 17_500)}
        return total(three_days(("city",), consent=consent, noise_micro=noise))

    assert of(17_500) <= of(part) + of(17_500 - part)


def test_a_figure_has_whole_points_rounded_up() -> None:
    release = three_days(("coast",))
    consent, zone = release.consent["coast"], ZONES["coast"]
    sampling = Fraction(consent.population - consent.people, consent.population) / consent.people
    noise = Fraction(release.noise_micro, 250_000) / consent.people**2
    exact = 1 / (1 + 40 * (sampling + noise))
    stages = points_of(sheet(), release).stages
    assert stages[3] == 3 * 24 * ceil(zone.weight * exact)
    assert total(release) <= 3 * ceil(zone.weight * exact)


def test_nobody_who_consents_is_worth_nothing() -> None:
    release = three_days(("coast",), consent={"coast": Consent(0, 12_000)}, bands=((0, 12_000),))
    assert total(release) == 0


REFUSED: list[tuple[Callable[[], object], type[Exception]]] = [
    (lambda: points_of(sheet(), three_days(zones=AREAS["city"] - {"hill"})), Mismatched),
    (lambda: points_of(sheet(), three_days(zones=AREAS["city"] | {"moon"})), Mismatched),
    (lambda: points_of(sheet(), three_days(published={("moon", ""): [1, 1, 1]})), Mismatched),
    (lambda: points_of(sheet(), three_days(published={("hill>moon", ""): [1, 1, 1]})), Mismatched),
    (lambda: points_of(sheet(), three_days(published={("hill", "young"): [1, 1, 1]})), Mismatched),
    (lambda: sheet({}), Empty),
    (lambda: sheet({"": Segment(0, 1)}), OutOfRange),
    (lambda: sheet({"": Segment(1, 10**6 + 1)}), OutOfRange),
    (lambda: sheet(variance_micro=0), OutOfRange),
    (lambda: market_terms(worth_micro=0), OutOfRange),
    (lambda: market_terms(half_life_hours=10**6), OutOfRange),
    (lambda: market_terms(rights={"internal": 8_000, "publish": 8_000}), OutOfRange),
    (lambda: market_terms(purposes={"planning": 10_001}), OutOfRange),
    (lambda: market_terms(demand={"dear": 0}), OutOfRange),
    (lambda: market_terms().use_rate(["planning", "war"]), Mismatched),
    (lambda: Law(currency="euro", volume=LAW.volume, least_minor=1), Mismatched),
    (lambda: Law(currency="EUR", volume=((1, 10_000),), least_minor=1), OutOfRange),
    (lambda: Law(currency="EUR", volume=((0, 5_000), (10, 6_000)), least_minor=1), OutOfRange),
    (lambda: Law(currency="EUR", volume=LAW.volume, least_minor=0), OutOfRange),
]


@pytest.mark.parametrize(("make", "refusal"), REFUSED)
def test_what_is_no_sheet_or_no_release_of_it_is_refused(make: Callable[[], object], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        make()


def test_a_sheet_is_named_by_all_that_it_states() -> None:
    names = {sheet().digest, sheet(prior_observations=41).digest, sheet(SEGMENTS | BY_AGE).digest}
    assert len(names) == 3
    assert sheet().digest == sheet().digest
