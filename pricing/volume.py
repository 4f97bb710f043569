"""Volume prices: of several releases bought together the dearest cost their full price, and each further one a part.

The rule this file keeps: one release more never makes a basket cheaper, and a basket never costs more than its parts.
Both are true because the parts fall with the rank, dearest first, and the total fall is less than the least of them.
"""

from collections.abc import Sequence
from typing import Final

PARTS_BY_RANK: Final = (10_000, 10_000, 9_500, 9_500, 9_000)
"""The part of its price that the n-th dearest release costs, in basis points; later ones cost the last part."""


def parts_of(amounts: Sequence[int]) -> list[int]:
    """Return the part of its price that each release of a basket costs, in basis points; ties rank by position.

    amounts: the prices, in cents before VAT.
    """
    ranked = sorted(range(len(amounts)), key=lambda place: (-amounts[place], place))
    parts = [0] * len(amounts)
    for rank, place in enumerate(ranked):
        parts[place] = PARTS_BY_RANK[min(rank, len(PARTS_BY_RANK) - 1)]
    return parts
