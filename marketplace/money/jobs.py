"""The scheduled jobs of money: the name of each, its interval in seconds, the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import HOUR, MINUTE
from marketplace.core.settings import settings
from marketplace.money.credit.actions import remind_debtors
from marketplace.money.ledger.actions import fold_day_sums
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.stripe_calls import run_commands

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "stripe-commands": (2, run_commands),
        "stripe-events": (2, handle_events),
        "stripe-sweep": (5 * MINUTE, sweep_events),
        "stripe-balance": (min(settings().shares_every_seconds, 10 * MINUTE), mirror_balance),
        "remind-debtors": (HOUR, remind_debtors),
        "fold-sums": (HOUR, fold_day_sums),
    }
