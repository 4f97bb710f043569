"""The audit from end to end: canaries are counted as people are, and drawn, withheld and published as cells are.

A canary is the worst person the bounds allow, simulated. `canary_counts` has the counting engine count
it in a small world under a dataset's own promise; here the same code that draws a release draws that world, and the tests
of `audit` and `patterns` look at what it publishes: is the noise as large as what a canary changed needs, on every cell,
each its own, as far as it may go and regardless of what was counted; do noisy counts, and never true ones, decide what is
withheld? Nobody's data is in it, so everything found may be published.

Most cells of the small world hold a crowd far above the threshold, so that their noise is seen whole; some lie at the
threshold or one below, where a person more or less decides; the others are empty.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.privacy import drawing, noise
from marketplace.release_gate import audit, patterns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from marketplace.privacy.specification import Specification

LEAST_ROUNDS: Final = 2
"""So that noise which is the same each time shows."""
MOST_ROUNDS: Final = 100
HARDLY_EVER: Final = 1e-9
"""How rarely noise takes a crowd below the threshold."""
NO_TOTAL: Final = -(1 << 30)
"""A total so low that truncation undoes nothing: the noise is then published as it was drawn."""
AUDITED: Final = ("people", "events")
"""The parts that most of the loss is spent on."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What the counting engine found of canaries in a small world."""

    specification: Specification
    """Of the small world: the dataset's promise over fewer zones and days."""
    counts: drawing.Counts
    """Of all canaries. Nobody's data."""
    changed: Mapping[str, tuple[int, int]]
    """The most that one canary's unit changed of a part's counts: summed, and squared."""
    canaries: int
    uncovered: int
    """People counted who had given no consent."""

    @property
    def outcome(self) -> tuple[object, ...]:
        """Return what was counted, as a key: the same for the same counting."""
        return (*sorted(self.changed.items()), self.canaries, self.uncovered)

    @property
    def is_within_bounds(self) -> bool:
        """Return whether no canary changed more than the noise is made for, and nobody was counted without consent."""
        s = self.specification
        return not self.uncovered and all(
            total <= s.sensitivities(part)[0] and squares <= s.sensitivities(part)[1]
            for part, (total, squares) in self.changed.items()
        )


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found; figures are whole numbers, shares in millionths."""

    passed: bool
    figures: dict[str, int]


@dataclass(slots=True)
class _Seen:
    """What the small world's releases published, beside what was counted."""

    noises: dict[str, list[NDArray[np.int64]]] = field(default_factory=lambda: {part: [] for part in AUDITED})
    """Of each place in every round; 0 where no crowd is."""
    counts: dict[str, list[NDArray[np.int64]]] = field(default_factory=lambda: {part: [] for part in AUDITED})
    crowds: list[NDArray[np.bool_]] = field(default_factory=list)
    least: int | None = None
    """The fewest people published."""
    edges: int = 0
    decided_by_noise: int = 0
    """Of the edges: at the threshold and published, or one below and withheld."""
    empty: int = 0
    empty_published: int = 0


def run(
    specification: Specification,
    counted: Counted,
    key: bytes,
    source: Callable[[Specification, bytes], drawing.Source] = drawing.Source,
) -> Audit:
    """Draw the small world of counted canaries as a release under `specification`, and test what is published.

    key: random, of the audit's draws; source: what draws, by the same engine as for the release itself.
    """
    small, engine = counted.specification, source(specification, key).engine

    def drawn_alike(of: Specification, own: bytes) -> drawing.Source:
        draws = source(of, own)
        draws.engine = engine
        return draws

    seen, wanted = _Seen(), patterns.draws_wanted(small.law("people").scale)
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
    specification: Specification, counted: Counted, part: str, noises: NDArray[np.int64]
) -> tuple[bool, dict[str, int]]:
    """Return whether a part's noise is as large as promised, missing nowhere and each its own; and the figures of it."""
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
    counted: Counted,
    key: bytes,
    source: Callable[[Specification, bytes], drawing.Source],
    seen: _Seen,
) -> None:
    """Draw the small world once and add what is published of it to what was seen."""
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
        found = np.full(small.key_count, -margin[part])  # of a crowd that noise took below the threshold, at least that
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
