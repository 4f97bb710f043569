"""What a dataset may declare, and which period its cadence asks for next; pure."""

from __future__ import annotations

import datetime as dt
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from marketplace.errors import Invalid
from marketplace.privacy.specification import MECHANISMS, PRODUCTS, UNITS

if TYPE_CHECKING:
    from collections.abc import Sequence

CADENCES: Final = ("", "day", "week", "month")
"""How often a dataset's next release is built by itself; empty: when a steward asks."""
SLUG: Final = r"[a-z0-9][a-z0-9-]{1,62}"
LARGEST_BOUND: Final = 1_000_000
FINEST: Final = 15
"""H3's finest resolution, and the lowest level of zones."""
SMALLEST_DELTA, LARGEST_DELTA = 5, 15
"""Exponents: delta is ten to the minus this."""
LARGEST_MAX_ZONES: Final = 100


def check_code(code: str) -> None:
    """Refuse what cannot be the code of a dataset or a zone table: it is part of an address."""
    if not re.fullmatch(SLUG, code):
        raise Invalid("A code has between 2 and 63 small letters, digits and hyphens, and begins with no hyphen.")


def check_privacy(
    *, unit: str, mechanism: str, delta_exponent: int, max_zones: int, parent_resolution: int, h3_resolution: int,
    edition_multiples: Sequence[int], product: str = "presence", grain: str = "day",
) -> None:  # fmt: skip
    """Refuse a promise that makes no sense; see the columns of `dataset`."""
    if product not in PRODUCTS:
        raise Invalid("The product must be presence, flows or stays.")
    if product != "presence" and (max_zones or parent_resolution):
        raise Invalid("Only presence has totals, and thin cells that are added up over a parent.")
    if product == "stays" and grain != "day":
        raise Invalid("Stays are counted by day: a night is of the day it begins on.")
    if unit not in UNITS or mechanism not in MECHANISMS:
        raise Invalid("The unit must be release or day, and the mechanism laplace or gaussian.")
    least, most = (SMALLEST_DELTA, LARGEST_DELTA) if mechanism == "gaussian" else (0, 0)
    if not least <= delta_exponent <= most:
        raise Invalid("Delta is ten to the minus 5 to 15 for Gaussian noise, and nothing for Laplace.")
    if not 0 <= max_zones <= LARGEST_MAX_ZONES or not 0 <= parent_resolution < max(1, h3_resolution):
        raise Invalid("Totals count between 1 and 100 zones, and parents are coarser than zones.")
    if any(later <= earlier for earlier, later in pairwise([1, *edition_multiples])):
        raise Invalid("Each edition must be coarser than the one before.")


def latest_period(cadence: str, now: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """Return the latest whole day, week (from Monday) or month in UTC that is over at `now`; half-open."""
    end = now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if cadence == "day":
        return end - dt.timedelta(days=1), end
    if cadence == "week":
        end -= dt.timedelta(days=end.weekday())
        return end - dt.timedelta(days=7), end
    assert cadence == "month"
    end = end.replace(day=1)
    return (end - dt.timedelta(days=1)).replace(day=1), end
