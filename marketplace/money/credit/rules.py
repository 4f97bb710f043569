"""How long credit lasts, when a partner is reminded, and when what it does not pay for is closed to it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.errors import Cents, Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS_TO_PAY: Final = 30
"""From the sale. French law allows sixty at most (commercial code, article L441-10)."""
REMINDED_AFTER_DAYS: Final = (1, 8, 15)
"""Days after an invoice was due on which its partner is reminded, once each."""
SUSPENDED_AFTER_DAYS: Final = 21
"""Days after an invoice was due until its data cannot be downloaded; until it is paid."""
AGES: Final = (0, 30, 60, 90)
"""Days overdue that divide what is owed by its age."""
LARGEST_LIMIT_MINOR: Final = 100_000_000_00
DAY: Final = dt.timedelta(days=1)


class Available(Struct, frozen=True):
    """What a partner may still buy on invoice; amounts in cents."""

    limit_minor: int
    owed_minor: int
    is_overdue: bool

    @property
    def left_minor(self) -> int:
        """What is left of the limit."""
        return max(self.limit_minor - self.owed_minor, 0)


def check_credit(available: Available, total_minor: int) -> None:
    """Refuse a sale on invoice to a partner who has no limit, is overdue, or would owe more than its limit."""
    if not available.limit_minor:
        raise Conflict("Your company does not pay on invoice: choose to pay now.")
    if available.is_overdue:
        raise Conflict("An invoice of yours is overdue: until it is paid, choose to pay now.", field="pay_by")
    if total_minor > available.left_minor:
        raise Conflict(
            "This order is beyond what is left of your limit, {left}: choose to pay now.",
            left=Cents(available.left_minor),
            field="pay_by",
        )


def steps_due(due_at: dt.datetime, now: dt.datetime) -> int:
    """Return how many reminders should have been written of what was due then."""
    return sum(now >= due_at + days * DAY for days in REMINDED_AFTER_DAYS)


def by_age(owed: Sequence[tuple[int, int]]) -> list[int]:
    """Return what is owed by age, in cents: not due yet, then between the days of AGES.

    owed: days overdue (below one: not due yet) and cents, each.
    """
    ages = [0] * (len(AGES) + 1)
    for days, amount in owed:
        ages[sum(days > limit for limit in AGES)] += amount
    return ages
