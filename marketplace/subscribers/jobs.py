"""The scheduled jobs of this district: the name of each, its interval in seconds, the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import HOUR, MINUTE
from marketplace.core.settings import settings
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.contribution_actions import index_contributions
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.my_data.actions import make_own_maps
from marketplace.subscribers.payouts.actions import draft_on_time, follow_transfers
from marketplace.subscribers.payouts.background_work import do_asked

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return the jobs under the present settings."""
    return {
        "index-contributions": (MINUTE, index_contributions),
        "hold-shares": (settings().shares_every_seconds, hold_shares),
        "cancel-shares": (settings().shares_every_seconds, cancel_shares),
        "close-month": (min(settings().shares_every_seconds, HOUR), close_months),
        "draft-payouts": (settings().payouts_every_seconds, draft_on_time),
        "send-payouts": (10, do_asked),
        "follow-transfers": (10, follow_transfers),
        "draw-own-maps": (2, make_own_maps),
    }
