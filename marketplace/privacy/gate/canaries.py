"""The audit from end to end: canaries are counted like people, then drawn, withheld and published like cells.

A canary is a simulated person, the worst that the bounds allow. `canary_counts` has the counting engine count it in a
small world under a dataset's own promise. Here the code that draws a release draws that world, and the tests of `audit`
and `patterns` check what it publishes. Is the noise as large as a canary's change needs, on every cell, independent,
not cut short and unrelated to the counts? Do noisy counts, and never true ones, decide what is withheld? The world
contains nobody's data, so all findings may be published.

Most cells of the small world hold a crowd far above the threshold, so that their noise is seen whole; some lie at the
threshold or one below, where one person decides; the others are empty.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy import drawing, noise
from marketplace.privacy.gate import audit, patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification

LEAST_ROUNDS: Final = 2
"""Two or more, so that noise that repeats is noticed."""
MOST_ROUNDS: Final = 100
HARDLY_EVER: Final = 1e-9
"""How rarely noise brings a crowd below the threshold."""
NO_TOTAL: Final = -(1 << 30)
"""A total so low that no truncation is corrected; the noise is then published as it was drawn."""
AUDITED: Final = ("people", "events")
"""The parts that most of the loss is spent on."""


@dataclass(frozen=True, slots=True)
class CanaryCounts:
    """What the counting engine counted for canaries in a small world."""

    specification: Specification
    """The small world's: the dataset's promise over fewer zones and days."""
    counts: drawing.Counts
    """The counts of all canaries. Nobody's data."""
    changed: Mapping[str, tuple[int, int]]
    """The most that one canary's unit changed in a part's counts: summed, and squared."""
    canaries: int
    uncovered: int
    """People counted without consent."""

    @property
    def outcome(self) -> tuple[object, ...]:
        """Return the result of counting as a key: equal results have equal keys."""
        return (*sorted(self.changed.items()), self.canaries, self.uncovered)

    @property
    def is_within_bounds(self) -> bool:
        """Return whether no canary changed more than the noise allows for, and nobody was counted without consent."""
        s = self.specification
        return not self.uncovered and all(
            total <= s.sensitivities(part)[0] and squares <= s.sensitivities(part)[1]
            for part, (total, squares) in self.changed.items()
        )


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit's findings; figures are whole numbers, shares in millionths."""

    passed: bool
    figures: dict[str, int]


@dataclass(slots=True)
class _PublishedFigures:
    """The published figures of the small world's releases, compared with the counts."""

    noises: dict[str, list[NDArray[np.int64]]] = field(default_factory=lambda: {part: [] for part in AUDITED})
    """Of each place in every round; 0 where there is no crowd."""
    counts: dict[str, list[NDArray[np.int64]]] = field(default_factory=lambda: {part: [] for part in AUDITED})
    crowds: list[NDArray[np.bool_]] = field(default_factory=list)
    least: int | None = None
    """The fewest people published."""
    edges: int = 0
    decided_by_noise: int = 0
    """The number of edges that noise decided: at the threshold and published, or one below and withheld."""
    empty: int = 0
    empty_published: int = 0


def run(
    specification: Specification,
    counted: CanaryCounts,
    key: bytes,
    source: Callable[[Specification, bytes], drawing.Source] = drawing.Source,
) -> Audit:
    """Draw the small world of counted canaries as a release under `specification`, and test what is published.

    key: the audit's own, random; source: draws with the same engine as for the release itself.
    """
    small, engine = counted.specification, source(specification, key).engine

    def drawn_alike(of: Specification, own: bytes) -> drawing.Source:
        draws = source(of, own)
        draws.engine = engine
        return draws

    seen, wanted = _PublishedFigures(), patterns.draws_wanted(small.law("people").scale)
    for number in range(MOST_ROUNDS):
        _draw(small, counted, hashlib.sha256(key + number.to_bytes(2, "big")).digest(), drawn_alike, seen)
        if number + 1 >= LEAST_ROUNDS and sum(map(np.count_nonzero, seen.crowds)) >= wanted:
            break
    figures = {
        "canaries": counted.canaries,
        "canary_cells": counted.changed["people"][0],
        "reach": small.reach,
        "without_consent": counted.uncovered,
    }
    crowd, noises = np.concatenate(seen.crowds), {part: np.concatenate(seen.noises[part]) for part in AUDITED}
    passed = counted.is_within_bounds and seen.least is not None and seen.least >= small.threshold
    passed = passed and not patterns.moves_together(noises["people"], noises["events"])
    for part in AUDITED:
        honest, found = _noise(specification, counted, part, noises[part][crowd])
        passed = passed and honest and not patterns.moves_together(noises[part])
        passed = passed and not patterns.follows_counts(noises[part][crowd], np.concatenate(seen.counts[part])[crowd])
        figures |= found
    least = audit.least_noise(specification, "people", counted.changed["people"])
    edges = audit.CountTest((1 + audit.unchanged(least)) / 2, seen.edges)
    empty = audit.CountTest(small.law("people").tail(small.threshold), seen.empty)
    figures |= {"edge_cells": seen.edges, "edge_cells_as_counted": seen.decided_by_noise}
    passed = passed and not edges.is_too_often(seen.decided_by_noise) and not empty.is_too_often(seen.empty_published)
    return Audit(passed, figures)


def _noise(
    specification: Specification, counted: CanaryCounts, part: str, noises: NDArray[np.int64]
) -> tuple[bool, dict[str, int]]:
    """Return whether a part's noise is as large as promised, complete and independent; and its figures."""
    least = audit.least_noise(specification, part, counted.changed[part])
    size = audit.SizeTest(least, len(noises))
    total = size.size(noises)
    pairs = len(noises) // 2
    missing = audit.CountTest(audit.unchanged(least), len(noises))
    shared = audit.CountTest(audit.alike(least), pairs)
    honest = (
        not size.is_too_small(total)
        and not missing.is_too_often(int((noises == 0).sum()))
        and not shared.is_too_often(int((noises[:pairs] == noises[pairs : 2 * pairs]).sum()))
        and not patterns.is_cut_short(int(np.abs(noises).max()), len(noises), least)
        and not patterns.is_on_a_lattice(noises, least)
    )
    promised = audit.least_noise(specification, part, (0, 0))
    figures = {
        f"{part}_draws": len(noises),
        f"{part}_shown_micro": round(size.loss_shown(total) * noise.MICRO),
        f"{part}_power_micro": int(size.power(audit.at_twice_the_loss(specification, promised)) * noise.MICRO),
    }
    return honest, figures


def _draw(
    small: Specification,
    counted: CanaryCounts,
    key: bytes,
    source: Callable[[Specification, bytes], drawing.Source],
    seen: _PublishedFigures,
) -> None:
    """Draw the small world once and add its published figures to `_PublishedFigures`."""
    margin = {part: small.law(part).half_width(HARDLY_EVER) for part in AUDITED}
    chance = np.random.default_rng(list(key))
    canary = np.zeros((2, small.key_count), np.int64)
    canary[:, counted.counts.keys] = counted.counts.people, counted.counts.events
    kind = np.where(canary[0] > 0, 0, chance.integers(0, 4, small.key_count))
    crowd, edge, empty = (np.flatnonzero(found) for found in (kind < 2, kind == 2, kind == 3))  # noqa: PLR2004
    below = edge[::2]
    people = np.zeros(small.key_count, np.int64)
    people[crowd], people[edge], people[below] = (
        small.threshold + margin["people"] + chance.integers(0, patterns.COUNTS, len(crowd)),
        small.threshold,
        small.threshold - 1,
    )
    events = np.where(people > 0, people + 2 * sum(margin.values()), 0)
    people, events = people + canary[0], events + canary[1]
    there = np.flatnonzero(people)
    totals = np.full(small.times, NO_TOTAL) if small.max_zones else None
    homes = counted.counts.consenting, counted.counts.population
    drawn = drawing.draw(small, drawing.Counts(there, people[there], events[there], *homes, totals), key, source=source)
    is_out = np.zeros(small.key_count, np.bool_)
    is_out[drawn.published.keys] = True
    shown = {"people": drawn.published.people, "events": drawn.published.events}
    seen.crowds.append(kind < 2)  # noqa: PLR2004
    for part, true in (("people", people), ("events", events)):
        found = np.full(small.key_count, -margin[part])  # of a withheld crowd: at least this low
        found[drawn.published.keys] = shown[part] - true[drawn.published.keys]
        seen.noises[part].append(np.where(kind < 2, found, 0))  # noqa: PLR2004
        seen.counts[part].append(true)
    if len(drawn.published.people):
        least = int(drawn.published.people.min())
        seen.least = least if seen.least is None else min(seen.least, least)
    at = np.setdiff1d(edge, below)
    seen.edges += len(edge)
    seen.decided_by_noise += int(is_out[at].sum() + (~is_out[below]).sum())
    seen.empty += len(empty)
    seen.empty_published += int(is_out[empty].sum())
