"""Which noisy cells are published, and the figures computed from those that are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXPECTED_FALSE_CELLS: Final = 0.1
"""Empty cells that noise alone lifts over the threshold, on average in one release: one release in ten has one."""


@dataclass(frozen=True, slots=True)
class PublishedCells:
    """The noisy cells that are published: their positions in the key set, and counts that agree with each other."""

    keys: NDArray[np.int64]
    """Position in zones × times × segments, ascending."""
    people: NDArray[np.int64]
    events: NDArray[np.int64]


def withhold(people: NDArray[np.int64], threshold: int) -> NDArray[np.int64]:
    """Return the positions whose noisy count of people reaches the threshold."""
    return np.flatnonzero(people >= threshold)


def agree(people: NDArray[np.int64], events: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the events, raised to the people where noise put them below: everyone counted had at least one event."""
    return np.maximum(events, people)


def median_cell(people: NDArray[np.int64], consenting: int, population: int) -> tuple[int, int]:
    """Return n and N of pricing: people of the (lower) median published cell, and the same if all consented.

    Both are post-processing of published counts, the noisy number who consent and the registry's population.
    """
    if not len(people):
        return 0, 0
    n = int(np.sort(people)[(len(people) - 1) // 2])
    return n, max(n, (n * population + consenting // 2) // consenting)


def disclosed_consenting(noisy: int, population: int) -> int:
    """Return the noisy number of people who consent, limited to between 1 and the population."""
    return min(max(noisy, 1), population)
