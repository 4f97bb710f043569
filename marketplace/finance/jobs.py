"""The scheduled jobs of finance: the name of each, its interval in seconds, the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import HOUR, MINUTE
from marketplace.core.settings import settings
from marketplace.finance.bank.payout_lines import match_payouts
from marketplace.finance.bank.rule_actions import book_by_rules
from marketplace.finance.bookkeeping.business_actions import sum_revenue
from marketplace.finance.bookkeeping.export_files import write_exports
from marketplace.finance.einvoicing.actions import exchange_einvoices
from marketplace.finance.einvoicing.months import sum_many_months
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.kept_findings import refresh_large_books

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "einvoices": (MINUTE, exchange_einvoices),
        "match-payouts": (MINUTE, match_payouts),
        "book-by-rules": (MINUTE, book_by_rules),
        "exports": (2, write_exports),
        "sum-revenue": (10 * MINUTE, sum_revenue),
        "sum-months-of-einvoices": (HOUR, sum_many_months),
        "refresh-exceptions": (5 * MINUTE, refresh_large_books),
        "reconcile": (min(settings().shares_every_seconds, HOUR), reconcile),
    }
