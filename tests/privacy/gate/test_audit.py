"""The empirical audit: the release's own loss stays under the stated one, and six planted faults are convicted.

The canary is the worst person the bounds must hold: twice as many cells as the bound, more events in each than are
counted, and two consents that overlap. It goes through a plain count (which test_engines compares with the one definition,
row by row) and through the release's own draws. False alarm of every bound: 1e-6.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from marketplace.datasets.builds import reference_sql
from marketplace.privacy import drawing, noise
from marketplace.privacy.specification import Specification
from tests.datasets.builds import engines
from tests.privacy.gate import empirical_bounds
from tests.privacy.specs import gaussian, specification

CELLS, EVENTS = 3, 2
BUSY = 10
"""Events of the canary in each of its cells."""
SPECIFICATIONS = {
    "laplace": specification(max_cells=CELLS, max_events=EVENTS),
    "gaussian": gaussian(max_cells=CELLS, max_events=EVENTS),
}
FAULTS = (
    "duplicated consent",
    "twice the cells",
    "no clip",
    "noise on half the cells",
    "budget counted once",
    "threshold on true counts",
)


@dataclass(frozen=True)
class Trial:
    """What an attacker holds of many releases with and without the canary: a score each."""

    there: np.ndarray
    absent: np.ndarray


def canarys_counts(fault: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the people and events that the canary adds to each cell it is in, counted with one fault."""
    cells = 2 * CELLS if fault == "twice the cells" else CELLS
    events = BUSY if fault == "no clip" else min(BUSY, EVENTS)
    consents = 2 if fault == "duplicated consent" else 1
    return np.full(cells, consents), np.full(cells, consents * events)


def table_source(s: Specification, seed: int) -> drawing.Source:
    source = drawing.Source(s, seed.to_bytes(32, "big"))
    source.engine = "table"
    return source


def noisy_releases(
    s: Specification, part: str, counts: np.ndarray, trials: int, *, seed: int, fault: str
) -> np.ndarray:
    """Return the noisy counts of these cells in so many releases, trials × cells."""
    drawn = table_source(s, seed).noisy(part, np.tile(counts, trials)).reshape(trials, -1)
    if fault == "noise on half the cells":
        drawn[:, ::2] = counts[::2]
    return drawn


def likelihood_ratios(s: Specification, part: str, fault: str, trials: int) -> Trial:
    """Return the likelihood ratio of every release, the best statistic there is, with and without the canary."""
    canary = canarys_counts(fault)[part == "events"]
    copies = 2 if fault == "budget counted once" else 1
    scores = []
    for number, counts in enumerate((canary, np.zeros_like(canary))):
        drawn = [
            noisy_releases(s, part, counts, trials, seed=10 * number + copy, fault=fault) for copy in range(copies)
        ]
        scores.append(sum(empirical_bounds.likelihood(s.law(part), one, canary) for one in drawn))
    return Trial(*scores)


def attack_by_what_is_there(s: Specification, fault: str, trials: int) -> Trial:
    """Return how many of the canary's cells are published, where one person fewer than the threshold is without it."""
    scores = []
    for number, people in enumerate((s.threshold, s.threshold - 1)):
        true = np.full(CELLS, people)
        drawn = noisy_releases(s, "people", true, trials, seed=20 + number, fault=fault)
        seen = np.broadcast_to(true, drawn.shape) if fault == "threshold on true counts" else drawn
        scores.append((seen >= s.threshold).sum(axis=1).astype(float))
    return Trial(*scores)


def stated(s: Specification, part: str) -> float:
    """Return the loss a part is charged for: epsilon, or mu of Gaussian noise."""
    if s.mechanism == "laplace":
        return s.epsilon_of(part) / noise.MICRO
    return math.sqrt(2 * (s.rho_nano * s.percent_of(part) // 100) / noise.NANO)


def bounds_found(s: Specification, fault: str, trials: int) -> dict[str, float]:
    """Return the lower bounds on the loss, as multiples of the stated one."""
    bound = empirical_bounds.epsilon_lower_bound if s.mechanism == "laplace" else empirical_bounds.mu_lower_bound
    bounds = {}
    for part in ("people", "events"):
        trial = likelihood_ratios(s, part, fault, trials)
        bounds[part] = bound(trial.there, trial.absent) / stated(s, part)
    there = attack_by_what_is_there(s, fault, trials)
    epsilon = s.epsilon_of("people") / noise.MICRO if s.mechanism == "laplace" else s.epsilon_micro / noise.MICRO
    bounds["presence"] = empirical_bounds.epsilon_lower_bound(there.there, there.absent, delta=s.delta) / epsilon
    return bounds


@pytest.mark.parametrize("mechanism", SPECIFICATIONS)
def test_the_release_stays_under_its_stated_loss_and_the_audit_comes_close(mechanism: str) -> None:
    bounds = bounds_found(SPECIFICATIONS[mechanism], "", 60_000)
    assert max(bounds.values()) <= 1
    assert bounds["people"] > 0.7
    assert bounds["events"] > 0.4


@pytest.mark.parametrize("mechanism", SPECIFICATIONS)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_audit_convicts(mechanism: str, fault: str) -> None:
    bounds = bounds_found(SPECIFICATIONS[mechanism], fault, 60_000)
    assert max(bounds.values()) > 1.1, bounds


@pytest.mark.deep
@pytest.mark.parametrize("mechanism", SPECIFICATIONS)
def test_the_audit_at_size_is_tight_and_still_under(mechanism: str) -> None:
    """Three million releases: the bound is within a tenth of what is stated, and not above it."""
    bounds = bounds_found(SPECIFICATIONS[mechanism], "", 3_000_000)
    assert max(bounds.values()) <= 1
    assert bounds["people"] > 0.9, bounds
    for fault in FAULTS:
        assert max(bounds_found(SPECIFICATIONS[mechanism], fault, 500_000).values()) > 1.15


def test_a_bound_is_rarely_wrong_and_finds_nothing_where_nothing_is() -> None:
    rng = np.random.default_rng(1)
    same = rng.normal(size=(2, 50_000))
    assert empirical_bounds.epsilon_lower_bound(*same) == 0
    assert empirical_bounds.mu_lower_bound(*same) == 0
    shifted = empirical_bounds.mu_lower_bound(same[0] + 0.5, same[1])
    assert 0.4 < shifted < 0.5
    # Either of the two samples may be the likelier one.
    assert empirical_bounds.epsilon_lower_bound(np.zeros(9_000), (rng.random(9_000) < 0.5).astype(float)) > 4
    low, high = empirical_bounds.interval(0, 100, 1e-6)
    assert low == 0
    assert 0.1 < high < 0.2


PLANTED: dict[str, tuple[str, str] | None] = {
    "": None,
    "twice the cells": ("ranked.place_in_line <= s.max_cells", "ranked.place_in_line <= 2 * s.max_cells"),
    "no clip": ("LEAST(ranked.events, s.max_events)", "ranked.events"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_the_canary_counts_as_the_one_definition_counts_it(fault: str, tmp_path: Path) -> None:
    """The plain count above is the SQL's: the canary adds those cells and events, honestly and with the fault planted."""
    who, site = engines.PEOPLE[0], "a"
    hours = [engines.at(hour + minute / 60) for hour in range(2 * CELLS) for minute in range(BUSY)]
    consents = [(who, engines.at(-2), engines.at(80)), (who, engines.at(-1), engines.at(90))]
    case = ([(who, when, site, "") for when in hours], consents)
    question = engines.question_of(engines.ingested(tmp_path, case), case, max_cells=CELLS, max_events=EVENTS)
    planted = None
    if (change := PLANTED[fault]) is not None:
        planted = tmp_path / "planted.sql"
        right, wrong = change
        text = reference_sql.AGGREGATE.read_text(encoding="utf-8")
        assert right in text
        planted.write_text(text.replace(right, wrong), encoding="utf-8")
    people, events = canarys_counts(fault)
    counted = engines.cells_of_answer(engines.answer(question, "duckdb", planted))
    assert sorted(counted.values()) == sorted(zip(people.tolist(), events.tolist(), strict=True))
    if not fault:
        assert engines.cells_of_answer(engines.answer(question, "kernel")) == counted
