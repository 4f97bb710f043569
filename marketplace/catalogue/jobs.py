"""The scheduled jobs of catalogue: each one's name, interval in seconds and function."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from marketplace.catalogue.offers.actions import refresh_demand
from marketplace.catalogue.offers.stated import count_published
from marketplace.catalogue.search.actions import refresh_cards
from marketplace.catalogue.search.saved import write_alerts
from marketplace.core.scheduled import HOUR, MINUTE
from marketplace.datasets.releases.build_requests import run_requests

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "refresh-demand": (HOUR, refresh_demand),
        "refresh-search": (MINUTE, refresh_cards),
        "search-alerts": (10 * MINUTE, write_alerts),
        "build-releases": (2, partial(run_requests, allow=count_published)),
    }
