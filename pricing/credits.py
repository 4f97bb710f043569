"""The credit for a release that falls short of what was sold: a part of its price, by days late and consent lacking.

The rule this file keeps: no credit without a shortfall, more for a larger one, and never more than half.
"""

from typing import Final

LATE_BASIS_POINTS: Final = 500
"""For each day begun after the last promised one."""
MOST_BASIS_POINTS: Final = 5_000
BASIS_POINTS_IN_ALL: Final = 10_000
KEPT_COVERAGE_BASIS_POINTS: Final = 9_500
"""The promised part of the coverage on the day of the sale, as coverage varies a little."""


def promised_coverage(consenting: int, population: int) -> int:
    """Return the coverage promised for this observed one, in millionths, rounded down."""
    return consenting * 1_000_000 * KEPT_COVERAGE_BASIS_POINTS // (max(population, 1) * BASIS_POINTS_IN_ALL)


def credit_basis_points(days_late: int, coverage_micro: int, promised_micro: int) -> int:
    """Return the part of a price that is credited, in basis points.

    days_late: begun after the last promised one, 0 in time. coverage_micro and promised_micro: shares of lines that
    consent, in millionths; a shortfall is credited in proportion, rounded up.
    """
    late = max(days_late, 0) * LATE_BASIS_POINTS
    lacking = max(promised_micro - coverage_micro, 0)
    short = -(-lacking * BASIS_POINTS_IN_ALL // promised_micro) if lacking else 0
    return min(late + short, MOST_BASIS_POINTS)


def credit_minor(total_minor: int, basis_points: int) -> int:
    """Return the credit on an order's amount, in cents, rounded down but not to nothing."""
    return max(total_minor * basis_points // BASIS_POINTS_IN_ALL, 1) if basis_points else 0
