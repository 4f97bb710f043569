"""The release gate: what a partner who holds every release could learn, tried before anyone can.

There are three criteria, each tested by attack: singling out, linking records, and inference. A test that fails blocks
the release with a reason people can act on. Findings are fit to publish: they are computed from published cells,
declared values or simulated people. A finding that needs private figures only says passed or not.

Source: Article 29 Working Party, Opinion 05/2014 on anonymisation techniques (WP216), section 2.2.
"""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from marketplace.privacy import budget, noise
from marketplace.privacy.drawing import Source
from marketplace.privacy.gate import attacks, audit, canaries
from marketplace.privacy.key_set import parent_zones

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from marketplace.privacy.gate.canaries import CanaryCounts
    from marketplace.privacy.specification import Specification

    Draws = Callable[[Specification, bytes], Source]

CRITERIA: Final = ("singling out", "linkability", "inference")
OF_EXACT: Final = 0.9
"""Attackers must find a person in the figures of a release less than nine tenths as often as in exact figures. A larger
share would be a promise that protects nobody, even when met."""
AIM: Final = 0.95
"""The probability with which the attack on paths detects twice the stated loss; audit.LEAST_POWER is promised."""
HOURS: Final = {"opendp": 6_000, "table": 60_000}
"""The most hours in which people are sought, by engine: OpenDP takes a second for a hundred thousand draws."""
MOST_STEPS: Final = 1 << 20
"""The most steps of a period that a code can represent: 119 years of hours."""
REASONS: Final = {
    "threshold": "A published cell has fewer people than the threshold.",
    "bounds": "Somebody counts in more cells than the bound allows.",
    "totals less parts": "A total less its published parts would reveal what was withheld.",
    "differences": "Noise is shared with another release of the same cells, so their difference would be exact.",
    "charges": "A release that overlaps with this one was not charged to its subscribers' year.",
    "joint loss": "All releases together would cost a subscriber more than a year allows.",
    "trajectories": "People can be followed in its figures more often than the stated loss allows.",
    "membership": "Simulated people who are counted and drawn as everyone is reveal more than the stated loss.",
}
"""A sentence for each test that can fail."""


@dataclass(frozen=True, slots=True)
class PriorRelease:
    """Another release that a partner may hold, with its cells and its promise."""

    release: str
    specification: Specification
    cells: pa.Table
    charged: dict[int, int]
    """Year → nano-rho charged for it."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """The release that the gate examines."""

    specification: Specification
    cells: pa.Table
    largest_weight: int
    """The most cells anyone counts in. Private; only whether it is within bounds is published."""
    charged: dict[int, int]


@dataclass(frozen=True, slots=True)
class Finding:
    """One test's outcome; figures are whole numbers, shares in millionths."""

    criterion: str
    test: str
    passed: bool
    figures: dict[str, int] = field(default_factory=dict)

    def stated(self) -> dict[str, Any]:
        """Return the finding in the form that the dossier has."""
        return {"criterion": self.criterion, "test": self.test, "passed": self.passed, "figures": self.figures}


def findings(
    candidate: Candidate,
    prior: Sequence[PriorRelease],
    year_budget_micro: int,
    counted: CanaryCounts,
    keys: tuple[bytes, bytes],
    *,
    source: Draws = Source,
) -> list[Finding]:
    """Return every test's finding for a candidate, assuming that one partner holds all of `prior`.

    counted: canaries, counted by the counting engine under the candidate's promise; keys: two independent random keys
    of 32 bytes, one for each simulation; source: draws the noise in both, as it drew the release's.
    """
    s = candidate.specification
    return [
        _threshold(candidate),
        _bounds(candidate),
        _totals(candidate, prior),
        _differences(candidate, prior),
        _charges(candidate, prior),
        _joint_loss(candidate, prior, year_budget_micro),
        _simulated("trajectories", s, source, lambda: _trajectories(s, keys[0], source)),
        _simulated("membership", s, source, lambda: _membership(s, counted, keys[1], source), *counted.outcome),
    ]


_SIMULATED: dict[tuple[object, ...], Finding] = {}


def _simulated(
    test: str, specification: Specification, source: Draws, find: Callable[[], Finding], *counted: object
) -> Finding:
    """Return the finding of a simulation, which runs once in a process for the same arguments.

    It depends on the promise, the counts and the engine, and not on the release.
    """
    s = specification
    promise = (s.product, s.grain, s.unit, s.max_cells, s.max_events, s.max_zones, s.parent_resolution)
    loss = (s.mechanism, s.epsilon_micro, s.delta_exponent, s.threshold)
    of = (test, source, source(s, b"").engine, *promise, *loss, *counted)
    if of not in _SIMULATED:
        _SIMULATED[of] = find()
    return _SIMULATED[of]


def reasons(found: Sequence[Finding]) -> list[str]:
    """Return why a release is blocked, one sentence for each failed test; empty if it passes."""
    return [REASONS[finding.test] for finding in found if not finding.passed]


def _threshold(candidate: Candidate) -> Finding:
    s = candidate.specification
    people = candidate.cells["people"].to_numpy()
    least = int(people.min()) if len(people) else s.threshold
    figures = {
        "threshold": s.threshold,
        "least_published": least,
        "cells_published": len(people),
        "expected_false_cells_micro": round(s.key_count * s.law("people").tail(s.threshold) * noise.MICRO),
    }
    return Finding("singling out", "threshold", least >= s.threshold, figures)


def _bounds(candidate: Candidate) -> Finding:
    s = candidate.specification
    units = s.clock.units
    figures = {"max_cells": s.max_cells, "max_events": s.max_events, "units": units, "reach": s.reach}
    return Finding("singling out", "bounds", candidate.largest_weight <= s.max_cells * units, figures)


def _totals(candidate: Candidate, prior: Sequence[PriorRelease]) -> Finding:
    """Subtract published hours from days, finer zones from coarser ones, and published zones from their sums.

    Releases over zones of another table, or over H3 while these zones are the operator's own, cover the same ground but
    do not nest: they are counted, not compared.
    """
    groups, exposed = 0, 0
    s = candidate.specification
    sources = [(s, candidate.cells), *((other.specification, other.cells) for other in prior)]
    for of_totals, totals in sources:
        for of_parts, parts in sources:
            if s in {of_totals, of_parts} and _adds_up(of_parts, of_totals):
                withheld, size = _parts(of_totals, totals, of_parts, parts)
                found = attacks.exposed(
                    withheld,
                    np.ones(len(withheld), bool),
                    of_totals.law("events").variance,
                    of_parts.law("events").variance,
                    size,
                )
                groups, exposed = groups + len(withheld), exposed + len(found)
    rolled, lonely = _rolled(candidate)
    apart = sum(other.specification.geography != s.geography for other in prior)
    figures = {"totals_with_parts": groups + rolled, "exposed": exposed + lonely, "over_other_zones": apart}
    return Finding("singling out", "totals less parts", not exposed + lonely, figures)


def _adds_up(parts: Specification, totals: Specification) -> bool:
    """Return whether the cells of one release are parts of another's: finer in time or in zones, coarser in neither."""
    alike = parts.product == totals.product and parts.geography == totals.geography
    nests = parts.resolution >= totals.resolution and parts.step <= totals.step
    finer_zones = parts.resolution > totals.resolution
    return alike and nests and (parts.step < totals.step or (finer_zones and not parts.counts.is_between_zones))


def _parts(
    of_totals: Specification, totals: pa.Table, of_parts: Specification, parts: pa.Table
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of withheld and of all parts, for each published total whose parts could all be published."""
    bounds_us, part_bounds_us = of_totals.clock.bounds_us, of_parts.clock.bounds_us
    if of_totals.counts.is_between_zones:
        holder_of = {str(name): str(name) for name in totals["zone"].unique().to_pylist()}
    else:
        wanted = set(of_totals.zones)
        holder_of = {zone: of_parts.geography.above(zone, of_totals.resolution) for zone in of_parts.zones}
        holder_of = {zone: holder for zone, holder in holder_of.items() if holder in wanted}
    zones = Counter(holder_of.values())
    whole = {
        holder: zones[holder]
        for holder in zones
        if of_totals.counts.is_between_zones
        or zones[holder] == of_parts.geography.count_below(holder, of_parts.resolution)
    }
    holders = {name: place for place, name in enumerate(whole)}
    of_part = {zone: holders[holder] for zone, holder in holder_of.items() if holder in whole}
    segments = {name: place for place, name in enumerate(of_totals.segments)}
    size = np.array(list(whole.values()), np.int64)
    # Steps of the parts in one step of the totals; empty where they do not begin and end together.
    place = np.searchsorted(part_bounds_us, bounds_us)
    together = part_bounds_us[np.minimum(place, len(part_bounds_us) - 1)] == bounds_us
    times = np.where(together[:-1] & together[1:], np.diff(place), 0)
    zone, time = _numbers(totals, "zone", holders), _steps(totals, bounds_us)
    inside = np.flatnonzero((times[time] > 0) & (zone < len(holders)))
    inside_zones = parts.filter(_numbers(parts, "zone", of_part) < len(of_part))
    shown, often = np.unique(_codes(inside_zones, of_part, segments, bounds_us), return_counts=True)
    sizes = size[zone[inside]] * times[time[inside]]
    return sizes - _times(_codes(totals, holders, segments, bounds_us)[inside], shown, often), sizes


def _steps(table: pa.Table, bounds_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each row which of the n steps between bounds it lies in: -1 before them, n after them."""
    at = table["starts_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    return np.asarray(np.searchsorted(bounds_us, at, side="right") - 1, np.int64)


def _codes(
    table: pa.Table, zones: dict[str, int], segments: dict[str, int], bounds_us: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return a whole number for each row's zone, step and segment; several zones may share one."""
    zone, segment = _numbers(table, "zone", zones), _numbers(table, "segment", segments)
    return (zone * (len(segments) + 1) + segment) * MOST_STEPS + _steps(table, bounds_us)


def _numbers(table: pa.Table, name: str, number: dict[str, int]) -> NDArray[np.int64]:
    """Return the number of each row's name in a column; unnumbered names share the number after the last."""
    column = table[name].combine_chunks().dictionary_encode()
    known = np.array([number.get(str(value), len(number)) for value in column.dictionary.to_pylist()], np.int64)
    return known[column.indices.to_numpy()] if len(known) else np.empty(0, np.int64)


def _times(wanted: NDArray[np.int64], codes: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often each wanted code occurs, given ascending codes and the times each occurs."""
    if not len(codes):
        return np.zeros(len(wanted), np.int64)
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[place] == wanted, times[place], 0)


def _rolled(candidate: Candidate) -> tuple[int, int]:
    """Return how many published cells add up withheld zones, and how many of those add up fewer than two."""
    s = candidate.specification
    if not s.parent_resolution:
        return 0, 0
    names, parent = parent_zones(s.zones, s.parent_resolution, s.geography)
    size = np.bincount(parent, minlength=len(names))
    segments, holders = ({name: at for at, name in enumerate(of)} for of in (s.segments, names))
    place = dict(zip(s.zones, parent.tolist(), strict=True))
    is_sum = _numbers(candidate.cells, "zone", dict.fromkeys(place, 0)) > 0
    bounds_us = s.clock.bounds_us
    sums = _codes(candidate.cells.filter(is_sum), holders, segments, bounds_us)
    shown, times = np.unique(_codes(candidate.cells.filter(~is_sum), place, segments, bounds_us), return_counts=True)
    of = _numbers(candidate.cells.filter(is_sum), "zone", holders)
    left = size[of] - _times(sums, shown, times)
    return len(sums), int((left < 2).sum())  # noqa: PLR2004


def _differences(candidate: Candidate, prior: Sequence[PriorRelease]) -> Finding:
    s, compared, shared = candidate.specification, 0, 0
    for other in prior:
        if other.specification.grain != s.grain:
            continue
        both = candidate.cells.join(
            other.cells, ["zone", "starts_at", "segment"], join_type="inner", right_suffix="_other"
        )
        compared += len(both)
        shared += attacks.shares_noise(
            both["people"].to_numpy(),
            both["people_other"].to_numpy(),
            (s.law("people"), other.specification.law("people")),
        )
    return Finding("linkability", "differences", not shared, {"releases_held": len(prior), "cells_compared": compared})


def _charges(candidate: Candidate, prior: Sequence[PriorRelease]) -> Finding:
    everything: list[Candidate | PriorRelease] = [candidate, *prior]
    missing = sum(
        one.charged.get(year, 0) < units * one.specification.unit_rho_nano
        for one in everything
        for year, units in one.specification.years.items()
    )
    return Finding("linkability", "charges", not missing, {"not_charged": missing})


def _joint_loss(candidate: Candidate, prior: Sequence[PriorRelease], year_budget_micro: int) -> Finding:
    """Compose the losses of this release and of every one whose period overlaps with it."""
    everything: list[Candidate | PriorRelease] = [candidate, *prior]
    rho = sum(sum(one.charged.values()) for one in everything)
    gaussian = sum(sum(one.charged.values()) for one in everything if one.specification.mechanism == "gaussian")
    pure = sum(
        one.specification.epsilon_micro * sum(one.specification.years.values())
        for one in everything
        if one.specification.mechanism == "laplace"
    )
    loss = budget.year_epsilon_micro(rho, gaussian, pure)
    figures = {
        "releases_held": len(prior),
        "epsilon_micro": loss,
        "delta_exponent": budget.YEAR_DELTA_EXPONENT,
        "allowed_micro": year_budget_micro,
    }
    return Finding("linkability", "joint loss", loss <= year_budget_micro, figures)


def _trajectories(specification: Specification, key: bytes, source: Draws) -> Finding:
    """Seek people hour by hour in a simulated city, in figures with this very noise; `source` draws it.

    Passes if they are found no more often than the stated loss allows, and less than OF_EXACT as often as in exact
    figures.
    """
    s = specification
    draws = source(s, hashlib.sha256(key + b"paths").digest())
    law = audit.least_noise(s, "people", (0, 0))
    together, test, power = _enough_hours(s, law, HOURS[draws.engine])
    span = attacks.DAY_HOURS * (1 if s.unit == "day" else attacks.DAYS)
    found = attacks.follow(
        lambda counts: draws.noisy("people", counts),
        np.random.default_rng(list(key)),
        threshold=s.threshold,
        hours_counted=(s.max_cells, span),
        together=together,
        hours=test.trials,
    )
    for_one = audit.guessed(law, attacks.PLACES, 1)
    figures = {
        "simulated_people": found.people,
        "median_cell": found.median_cell,
        "moving_together": together,
        "hours_sought": found.hours,
        "right_by_chance_micro": noise.MICRO // attacks.PLACES,
        "right_from_exact_counts_micro": noise.MICRO * found.right_from_exact // found.hours,
        "right_from_release_micro": noise.MICRO * found.right_from_release // found.hours,
        "right_at_most_micro": noise.MICRO * test.most // found.hours,
        "paths_power_micro": int(power * noise.MICRO),
    }
    passed = not test.is_too_often(found.right_from_release) and for_one <= OF_EXACT
    return Finding("linkability", "trajectories", passed, figures)


@functools.lru_cache(maxsize=64)
def _enough_hours(specification: Specification, law: noise.Law, most: int) -> tuple[int, audit.CountTest, float]:
    """Return how many people must move together, and in how many hours, for the attack to show twice the loss.

    Returns the fewest people and hours that are enough, `most` hours at most, and the probability of success.
    """
    twice = audit.at_twice_the_loss(specification, law)
    together = 1
    while True:
        allowed, more = (audit.guessed(one, attacks.PLACES, together) for one in (law, twice))
        for hours in (most // 6, most // 4, most // 3, most // 2, 2 * most // 3, most):
            test = audit.CountTest(allowed, hours)
            power = test.power(more)
            if power >= AIM:
                return together, test, power
        if allowed > OF_EXACT:  # so little is promised that the test fails in any case
            return together, audit.CountTest(allowed, most // 6), power
        together += -(-together // 2)


def _membership(specification: Specification, counted: CanaryCounts, key: bytes, source: Draws) -> Finding:
    """Audit counting, drawing and withholding together with canaries; `source` draws the noise."""
    found = canaries.run(specification, counted, key, source)
    return Finding("inference", "membership", found.passed, found.figures)
