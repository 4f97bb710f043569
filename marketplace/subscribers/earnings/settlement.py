"""What a sale owes its contributors: one pass over its release's weights, one sum, and never a row per person.

The denominator, and so every share, depends only on published figures and the person's own weight. The sum of the
shares is for the books alone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Self

import numpy as np

from marketplace.datasets.releases.queries import get_published_figures, manifest, manifest_weights
from marketplace.subscribers.earnings import rules
from marketplace.subscribers.earnings.promises import PromisesOfRelease, has_promises
from marketplace.subscribers.earnings.rules import MICRO_PER_MINOR
from pricing.promises import shortfall
from pricing.public_shares import WeightCounts, public_shares, sum_of_shares, weigh

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from marketplace.datasets.releases.queries import Manifest, PublishedFigures
    from marketplace.subscribers.earnings.rules import Division, Settlement


NOBODY: Final = WeightCounts(np.empty(0, np.int64), np.empty(0, np.int64))
"""The number of people assumed in a release whose figures are only noise; that it is empty is not published."""


class ReleaseSettled:
    """A release whose sales are settled; its weights are read once, its contributors only if something was promised."""

    def __init__(self, release: uuid.UUID, figures: PublishedFigures, weighed: WeightCounts) -> None:
        """Store what it publishes, and how many people have each weight."""
        self.release, self.figures, self.weighed = release, figures, weighed
        self._contributors: Manifest | None = None
        self._promises = PromisesOfRelease()

    @classmethod
    async def read(cls, release: uuid.UUID) -> Self:
        """Read a sealed release's figures and weights."""
        figures, weights = await get_published_figures(release), await manifest_weights(release)
        return cls(release, figures, await asyncio.to_thread(weigh, weights) if len(weights) else NOBODY)

    async def settle(self, division: Division, terms: Sequence[uuid.UUID]) -> Settlement:
        """Return what a sale of it owes under this division and the terms whose promises it keeps."""
        denominator = rules.public_denominator(
            division,
            self.figures.people,
            noises=self.figures.noises,
            variance_micro=self.figures.variance_micro,
        )
        pool = division.pool_minor * MICRO_PER_MINOR
        of_pool = sum_of_shares(pool, denominator, self.weighed)
        added, topped_up = 0, 0
        if await has_promises(terms):
            self._contributors = self._contributors or await manifest(self.release)
            promises = await self._promises.among(terms, self._contributors)
            if promises is not None:
                weights = self._contributors.weights
                added, topped_up = await asyncio.to_thread(_shortfall, pool, denominator, weights, promises)
        return rules.settle(division, denominator, of_pool, added, topped_up)


def _shortfall(pool: int, denominator: int, weights: NDArray[np.int64], promises: NDArray[np.int64]) -> tuple[int, int]:
    """Return by how much shares fall short of promises in all, in micro-euros, and for how many people."""
    promised = np.flatnonzero(promises)
    return shortfall(public_shares(pool, denominator, weights[promised]), promises[promised])
