"""Lengths of a licence at the same price, which a dataset's page points out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pricing.order import Priced

ALIKE_BASIS_POINTS: Final = 10
"""Of a price: a length that costs at most this much more counts as the same price."""


class Alike(NamedTuple):
    """Two lengths, in months, at the same price; is_clamped: since both are at the least charge."""

    longer: int
    shorter: int
    is_clamped: bool


def alike(prices: Sequence[tuple[int, Priced]]) -> Alike | None:
    """Return the longest length and the shortest one at about the same price; None if there is no shorter one."""
    if not prices:
        return None
    longest, priced = max(prices, key=lambda one: one[0])
    least = priced.amount_minor * (10_000 - ALIKE_BASIS_POINTS) // 10_000
    shortest = min(months for months, one in prices if one.amount_minor >= least)
    return Alike(longest, shortest, priced.amount_minor == priced.law.least_minor) if shortest < longest else None
