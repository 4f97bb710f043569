"""The scheduled jobs of this district: each one's name, interval in seconds and function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.backup.actions import back_up_in_turn
from marketplace.core.scheduled import HOUR, MINUTE
from marketplace.core.settings import settings
from marketplace.site.storefront.reminders import write_to_bidders

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "bidder-messages": (MINUTE, write_to_bidders),
        "back-up": (settings().backup_hours * HOUR, back_up_in_turn),
    }
