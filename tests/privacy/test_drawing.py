"""From counts to cells: the short way to draw is the long one, keys bind draws, and what is stated is what was done."""

import dataclasses
import datetime as dt
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from marketplace.privacy import budget, drawing, finishing, noise, sampler
from marketplace.privacy.key_set import parent_zones
from marketplace.privacy.specification import Specification
from marketplace.privacy.thresholds import EXPECTED_FALSE_CELLS
from tests.privacy.goodness import differ, differs_from
from tests.privacy.specs import SECRET, counts_of, gaussian, specification


@pytest.mark.parametrize("s", [specification(), gaussian()], ids=["laplace", "gaussian"])
def test_drawing_only_what_passes_is_drawing_everything_and_looking_at_what_passes(s: Specification) -> None:
    """Exactly, on a key set small enough to enumerate: each set of published empty cells and their values.

    Drawing all m empty cells, the probability that exactly those of a set A of k cells reach t with values v is
    P(X < t)^(m-k) times the product of P(X = v). The short way draws k from the binomial, A uniformly, and each v from
    the law above t. In the table's own whole numbers the two are equal, not close.
    """
    law = s.law("people")
    table = sampler.table(law.kind, law.scale)
    t, m = 4, 3
    below, one = table.below(t), sampler.ONE
    for k in range(m + 1):
        binomial = math.comb(m, k) * (one - below) ** k * below ** (m - k)
        for values in product(range(t, t + 3), repeat=k):
            masses = math.prod(table.below(v + 1) - table.below(v) for v in values)
            long_way = below ** (m - k) * masses
            # binomial / comb × product of mass / (one - below), all over one^m.
            assert binomial * masses == long_way * math.comb(m, k) * (one - below) ** k


@pytest.mark.long
def test_the_code_draws_that_distribution() -> None:
    """Both ways, a thousand releases each: how many cells are published, where, and how high."""
    s = specification(20, hours=24)
    occupied = np.zeros(s.key_count, np.int64)
    occupied[::5] = 3
    c = counts_of(s, occupied)
    law, t = s.law("people"), 12
    short: list[np.ndarray] = []
    long: list[np.ndarray] = []
    for number in range(400):
        source = drawing.Source(s, number.to_bytes(32, "big"))
        source.engine = "table"
        keys, people = source.reaching("people", c, t, lambda _step, _share: None)
        assert (np.diff(keys) > 0).all()
        assert people.min(initial=t) >= t
        short.append(np.stack([keys, people]))
        whole = occupied + sampler.table(law.kind, law.scale).draw(number.to_bytes(32, "little"), "all", s.key_count)
        found = np.flatnonzero(whole >= t)
        long.append(np.stack([found, whole[found]]))
    one, other = (np.concatenate(parts, axis=1) for parts in (short, long))
    for part in (lambda a: a[1, a[0] % 5 == 0], lambda a: a[1, a[0] % 5 > 0], lambda a: a[0, a[0] % 5 > 0] // 40):
        assert not differ(part(one), part(other))
    sizes = [np.array([part.shape[1] for part in parts]) for parts in (short, long)]
    assert abs(sizes[0].mean() - sizes[1].mean()) < 6 * math.sqrt((sizes[0].var() + sizes[1].var()) / 400)
    expected = s.key_count / 5 * 4 * law.tail(t)
    empty = sum(int((part[0] % 5 > 0).sum()) for part in short)
    assert 1e-7 < stats.poisson.cdf(empty, 400 * expected) < 1 - 1e-7


def test_one_count_changed_changes_every_draw() -> None:
    """A person withdraws and the release is built again: the difference of the two says nothing, every cell moved."""
    s = specification(500, hours=336, bands=7)
    assert s.key_count > drawing.SAMPLER_FROM
    people = np.zeros(s.key_count, np.int64)
    people[:40_000] = 500
    first = drawing.draw(s, counts_of(s, people), SECRET)
    again = drawing.draw(s, counts_of(s, people.astype(np.int32)), SECRET)
    assert (first.published.people == again.published.people).all()
    assert (first.published.events == again.published.events).all()
    people[17] -= 1
    other = drawing.draw(s, counts_of(s, people), SECRET)
    law = s.law("people")
    agree = 1 / (4 * law.scale)
    for changed in (
        other,
        drawing.draw(s, counts_of(s, people), b"another secret"),
        drawing.draw(dataclasses.replace(s, revision=2), counts_of(s, people), SECRET),
    ):
        same = int((changed.published.people[:40_000] == first.published.people[:40_000]).sum())
        assert stats.binom.cdf(same, 40_000, agree) > 1e-7
        assert stats.binom.sf(same, 40_000, 2 * agree) > 1e-7


def test_the_losses_of_the_parts_never_exceed_the_whole() -> None:
    for s in (specification(), specification(max_zones=3, unit="day"), gaussian(max_zones=3, unit="day"), gaussian()):
        if s.mechanism == "laplace":
            assert sum(s.epsilon_of(part) for part in s.parts) <= s.epsilon_micro
        else:
            assert s.unit_rho_nano <= s.rho_nano
            assert budget.epsilon_micro(s.unit_rho_nano, s.delta_exponent) <= s.epsilon_micro
        for part in s.parts:
            total, squares = s.sensitivities(part)
            law = s.law(part)
            if s.mechanism == "laplace":
                assert total / law.scale * noise.MICRO <= s.epsilon_of(part)
            else:
                assert squares / (2 * law.scale**2) * noise.NANO <= s.rho_nano * s.percent_of(part) // 100


@given(st.integers(2, 400), st.integers(1, 200), st.sampled_from(["laplace", "gaussian"]))
@settings(max_examples=25, deadline=None)
def test_the_threshold_grows_with_the_key_set_and_keeps_its_promise(zones: int, hours: int, mechanism: str) -> None:
    s = specification(7, hours=hours, mechanism=mechanism, delta_exponent=6 * (mechanism == "gaussian"))
    law = s.law("people")
    t = law.threshold(s.key_count * zones, EXPECTED_FALSE_CELLS)
    assert t >= s.threshold
    assert law.tail(t) * s.key_count * zones <= EXPECTED_FALSE_CELLS * (1 + 1e-9)
    assert law.tail(t - 1) * s.key_count * zones > EXPECTED_FALSE_CELLS * (1 - 1e-9) or t == 1


@pytest.mark.parametrize("law", [noise.Law("laplace", 3.75), noise.Law("gaussian", 0.7), noise.Law("gaussian", 12.0)])
def test_spread_error_and_widths_are_the_tables(law: noise.Law) -> None:
    table = sampler.table(law.kind, law.scale)
    values = range(-table.reach, table.reach + 1)
    masses = [float(table.probability(k)) for k in values]
    assert math.isclose(sum(m * k * k for m, k in zip(masses, values, strict=True)), law.variance, rel_tol=1e-9)
    assert math.isclose(sum(m * abs(k) for m, k in zip(masses, values, strict=True)), law.mean_error, rel_tol=1e-9)
    for outside in (0.5, 0.05, 1e-4):
        h = law.half_width(outside)
        inside = (table.below(h + 1) - table.below(-h)) / sampler.ONE
        assert 1 - inside <= outside * (1 + 1e-9)
        assert h == 0 or 1 - (table.below(h) - table.below(1 - h)) / sampler.ONE > outside * (1 - 1e-9)


def thin_city(s: Specification) -> np.ndarray:
    rng = np.random.default_rng(5)
    return rng.poisson(rng.gamma(1.0, 14.0, s.key_count))


def test_thin_cells_add_up_two_or_more_at_a_time_and_nothing_is_counted_twice() -> None:
    s = specification(49, hours=24, parent_resolution=7)
    people = thin_city(s)
    drawn = drawing.draw(s, counts_of(s, people), SECRET)
    names, parent = parent_zones(s.zones, 7)
    assert len(drawn.rolled.keys)
    assert not set(drawn.rolled.children.tolist()) & set(drawn.published.keys.tolist())
    assert sorted(drawn.counted.tolist()) == sorted([*drawn.published.keys.tolist(), *drawn.rolled.children.tolist()])
    width = s.times * len(s.age_bands)
    of = parent[drawn.rolled.children // width] * width + drawn.rolled.children % width
    sizes = {int(key): int((of == key).sum()) for key in drawn.rolled.keys}
    assert min(sizes.values()) >= 2
    assert sum(sizes.values()) == len(drawn.rolled.children)
    law = s.law("people")
    for key, found in zip(drawn.rolled.keys.tolist(), drawn.rolled.people.tolist(), strict=True):
        true = int(people[drawn.rolled.children[of == key]].sum())
        assert found >= s.threshold * math.sqrt(sizes[key]) - 1e-6
        assert abs(found - true) < 8 * math.sqrt(law.variance * sizes[key])
    table = drawing.table(s, drawn)
    assert table.num_rows == drawn.figures["row_count"] == len(drawn.published.keys) + len(drawn.rolled.keys)
    assert set(table["zone"].to_pylist()) & set(names)
    assert (
        drawn.figures["suppressed_micro"]
        < drawing.draw(specification(49), counts_of(s, people), SECRET).figures["suppressed_micro"]
    )


@pytest.mark.long
def test_an_empty_city_rolls_nothing_up() -> None:
    """Sums over many empty cells stay below their own threshold: the promise of false cells holds for them too."""
    s = specification(343, hours=24, parent_resolution=5)
    found = 0
    for number in range(8):
        drawn = drawing.draw(s, counts_of(s, np.zeros(s.key_count, np.int64)), number.to_bytes(4, "big"))
        found += len(drawn.rolled.keys) + len(drawn.published.keys)
    # At most a tenth of a cell a release of each kind, eight times.
    assert stats.poisson.sf(found - 1, 2 * 8 * EXPECTED_FALSE_CELLS) > 1e-6


@pytest.mark.parametrize("s", [specification(40, bands=3), gaussian(40, bands=3)], ids=["laplace", "gaussian"])
def test_the_error_interval_covers_what_was_counted_at_its_rate(s: Specification) -> None:
    """Of the cells published, 5 % at most are further off, though only those that noise lifted enough are published.

    Most cells lie a few deviations below the threshold: what is published of them was lifted by as much, and intervals
    that each hold 95 % of the noise would miss nearly all of those.
    """
    rng = np.random.default_rng(7)
    law = s.law("people")
    outside, naive, published = np.zeros(2), 0, 0
    for number in range(20):
        people = np.full(s.key_count, int(s.threshold - 2.2 * math.sqrt(law.variance)))
        crowds = rng.random(s.key_count) < 0.03
        people[crowds] = rng.poisson(3 * s.threshold, int(crowds.sum()))
        events = people + rng.poisson(people)
        drawn = drawing.draw(s, counts_of(s, people, events), number.to_bytes(4, "big"))
        keys = drawn.published.keys
        off = np.abs(drawn.published.people - people[keys]), np.abs(drawn.published.events - events[keys])
        outside += [(off[0] > drawn.figures["error_people"]).sum(), (off[1] > drawn.figures["error_events"]).sum()]
        naive += int((off[0] > law.half_width(finishing.OUTSIDE)).sum())
        published += len(keys)
        assert drawn.figures["mean_error_micro"] == round(law.mean_error * noise.MICRO)
    assert published > 1_500
    for missed in outside:
        assert stats.binom.sf(missed - 1, published, finishing.OUTSIDE) > 1e-6
    assert stats.binom.sf(naive - 1, published, finishing.OUTSIDE) < 1e-9


@pytest.mark.parametrize("mechanism", [{}, {"mechanism": "gaussian", "delta_exponent": 6}])
def test_the_error_interval_covers_sums_over_a_parent_times_the_root_of_their_zones(mechanism: dict[str, Any]) -> None:
    """Only large sums are published, so those that noise lifted are there more often, as with single cells."""
    s = specification(49, hours=24, parent_resolution=7, **mechanism)
    names, parent = parent_zones(s.zones, 7)
    width = s.times * len(s.segments)
    law = s.law("people")
    missed, published, narrow = 0, 0, 0
    for number in range(12):
        people = np.random.default_rng(number).poisson(0.3 * s.threshold, s.key_count)
        drawn = drawing.draw(s, counts_of(s, people), number.to_bytes(4, "big"))
        of = parent[drawn.rolled.children // width] * width + drawn.rolled.children % width
        true, added = (np.bincount(of, w, minlength=len(names) * width) for w in (people[drawn.rolled.children], None))
        keys = drawn.rolled.keys
        off = np.abs(drawn.rolled.people - true[keys])
        missed += int((off > drawn.figures["error_people"] * np.sqrt(added[keys])).sum())
        narrow += int((off > law.half_width(finishing.OUTSIDE) * np.sqrt(added[keys])).sum())
        published += len(keys)
    assert published > 200
    assert stats.binom.sf(missed - 1, published, finishing.OUTSIDE) > 1e-6
    assert narrow > missed, "an interval that holds 95 % of all noises holds fewer of those that were selected"


def test_sums_over_a_parent_undo_truncation_as_cells_do() -> None:
    s = specification(49, hours=24, parent_resolution=7, max_zones=4, epsilon_micro=8_000_000)
    people = thin_city(s)
    totals = 3 * people.reshape(len(s.zones), s.times, -1).sum(axis=(0, 2))
    drawn = drawing.draw(s, counts_of(s, people, totals=totals), SECRET)
    assert len(drawn.rolled.keys)
    names, parent = parent_zones(s.zones, 7)
    width = s.times * len(s.segments)
    of = parent[drawn.rolled.children // width] * width + drawn.rolled.children % width
    true = np.bincount(of, people[drawn.rolled.children], minlength=len(names) * width)[drawn.rolled.keys]
    assert 2.6 < drawn.rolled.people.sum() / true.sum() < 3.6


def test_coverage_and_the_r_indicator_are_the_registrys_with_noise() -> None:
    s = specification(7, bands=4, epsilon_micro=4_000_000)
    population = np.full((7, 4), 5_000)
    shares = np.array([0.2, 0.4, 0.6, 0.8])
    consenting = (population * shares).astype(int)
    stated = [
        drawing.draw(
            s,
            counts_of(s, np.zeros(s.key_count, np.int64), consenting=consenting.ravel(), population=population.ravel()),
            SECRET,
        )
        for _ in range(5)
    ]
    true = 1 - 2 * float(np.std(shares))
    for drawn in stated:
        assert drawn.figures["population"] == population.sum()
        assert abs(drawn.figures["consenting"] - consenting.sum()) < 40 * s.law("consenting").scale
        assert abs(drawn.figures["r_indicator_micro"] / noise.MICRO - true) < 0.01
        bands = {name: (people, seen) for kind, name, people, seen in drawn.coverage if kind == "band"}
        assert list(bands) == list(s.age_bands)
        for at, (people, seen) in enumerate(bands.values()):
            assert people == population[:, at].sum()
            assert abs(seen - consenting[:, at].sum()) < 40 * s.law("bands").scale
        areas = [(people, seen) for kind, _, people, seen in drawn.coverage if kind == "area"]
        assert sum(people for people, _ in areas) == population.sum()
        assert all(0 <= seen <= people for people, seen in areas)
    # Every band alike: noise alone must not read as a difference.
    flat = finishing.r_indicator_micro(np.full(4, 400), np.array([200, 230, 170, 200]), 900.0)
    assert flat is not None
    assert flat > 900_000
    assert finishing.r_indicator_micro(np.zeros(4, np.int64), np.zeros(4, np.int64), 1.0) is None


@pytest.mark.long
def test_a_years_loss_is_composed_and_never_less_than_the_truth() -> None:
    """Against the privacy loss distribution, which is near exact: the concentrated composition is above, not far."""
    from dp_accounting.pld import privacy_loss_distribution as pld  # noqa: PLC0415

    weeks, delta = 52, 10.0**-budget.YEAR_DELTA_EXPONENT
    for s in (specification(), gaussian(unit="day", hours=168)):
        units = 1 if s.unit == "release" else 7
        make = pld.from_discrete_laplace_mechanism if s.mechanism == "laplace" else pld.from_discrete_gaussian_mechanism
        loss = None
        for part in s.parts:
            each = s.max_events if part == "events" else 1
            cells = s.max_cells if part in {"people", "events"} else 1
            law = s.law(part)
            one = make(1 / law.scale if s.mechanism == "laplace" else law.scale, sensitivity=each)
            whole = one.self_compose(cells * weeks * units)
            loss = whole if loss is None else loss.compose(whole)
        assert loss is not None
        exact = loss.get_epsilon_for_delta(delta)
        rho = s.unit_rho_nano * weeks * units
        stated = budget.year_epsilon_micro(rho, rho * (s.mechanism == "gaussian"), 52 * s.epsilon_micro) / noise.MICRO
        assert exact <= stated <= exact * 1.25


def test_units_of_a_year_are_counted_by_the_day_they_lie_in() -> None:
    start = dt.datetime(2026, 12, 30, tzinfo=dt.UTC)
    assert budget.years(start, start + dt.timedelta(days=5), "day") == {2026: 2, 2027: 3}
    assert budget.years(start, start + dt.timedelta(days=5), "release") == {2026: 1, 2027: 1}
    assert budget.years(start, dt.datetime(2027, 1, 1, tzinfo=dt.UTC), "release") == {2026: 1}
    assert budget.years(start, dt.datetime(2027, 1, 1, tzinfo=dt.UTC), "day") == {2026: 2}


@given(st.integers(100_000, 8_000_000), st.integers(5, 12))
@settings(max_examples=15, deadline=None)
def test_epsilon_and_rho_are_each_others_inverse_rounded_safely(epsilon: int, exponent: int) -> None:
    rho = budget.rho_nano(epsilon, exponent)
    assert budget.epsilon_micro(rho, exponent) <= epsilon < budget.epsilon_micro(rho + 1, exponent)


@pytest.mark.long
def test_the_noise_of_a_release_is_its_law_through_the_whole_draw() -> None:
    """Planted crowds far above the threshold: what is published less what was counted follows the law."""
    for s in (specification(25, hours=240, bands=7), gaussian(25, hours=240, bands=7)):
        people = np.full(s.key_count, 5_000)
        drawn = drawing.draw(s, counts_of(s, people, 9_000 + people), SECRET)
        assert drawn.figures["sampler"] == "opendp"
        assert len(drawn.published.keys) == s.key_count
        for part, off in (("people", drawn.published.people - 5_000), ("events", drawn.published.events - 14_000)):
            law = s.law(part)
            table = sampler.table(law.kind, law.scale)
            values = np.arange(-table.reach, table.reach + 1)
            masses = np.array([float(table.probability(int(k))) for k in values])
            assert not differs_from(off, values, masses)
