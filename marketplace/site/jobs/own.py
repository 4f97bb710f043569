"""The scheduled jobs of this district: each one's name, interval in seconds and function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import MINUTE
from marketplace.site.storefront.reminders import write_to_bidders

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "bidder-messages": (MINUTE, write_to_bidders),
    }
