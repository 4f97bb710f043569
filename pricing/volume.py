"""Volume prices: of several releases bought together the dearest cost their price, and each after them a part of its own.

The rule this file keeps: one release more never makes a basket cheaper, and a basket never costs more than its parts.
Both hold because the parts fall with the rank, dearest first, and fall by less in all than the least of them.
"""

from collections.abc import Sequence
from typing import Final

PARTS_BY_RANK: Final = (10_000, 10_000, 9_500, 9_500, 9_000)
"""What of its price the n-th dearest release costs, in basis points; those after the last cost as much as that one."""


def parts_of(amounts: Sequence[int]) -> list[int]:
    """Return what of its price each release of a basket costs, in basis points; of equal prices the first ranks first.

    amounts: the prices, in cents before VAT.
    """
    ranked = sorted(range(len(amounts)), key=lambda place: (-amounts[place], place))
    parts = [0] * len(amounts)
    for rank, place in enumerate(ranked):
        parts[place] = PARTS_BY_RANK[min(rank, len(PARTS_BY_RANK) - 1)]
    return parts
