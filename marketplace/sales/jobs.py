"""The scheduled jobs of this district: the name of each, its interval in seconds, the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import MINUTE
from marketplace.sales.auctions.award import close_auctions, settle_sales
from marketplace.sales.auctions.reverse_award import award_auctions
from marketplace.sales.orders.disputes import follow_disputes
from marketplace.sales.orders.invoices import render_pending_invoices
from marketplace.sales.orders.refunds import record_refunds
from marketplace.sales.orders.settling import lapse_unpaid, settle_paid
from marketplace.sales.subscriptions.actions import deliver

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return the jobs under the present settings."""
    return {
        "settle-orders": (2, settle_paid),
        "lapse-orders": (MINUTE, lapse_unpaid),
        "deliver-subscriptions": (30, deliver),
        "close-auctions": (1, close_auctions),
        "settle-auctions": (10, settle_sales),
        "award-reverse-auctions": (10, award_auctions),
        "record-refunds": (10, record_refunds),
        "follow-disputes": (10, follow_disputes),
        "invoices": (10, render_pending_invoices),
    }
