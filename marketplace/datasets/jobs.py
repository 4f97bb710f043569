"""The scheduled jobs of datasets: the name of each, its interval in seconds, the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import DAY, HOUR, MINUTE
from marketplace.datasets.releases.build_requests import refresh_datasets
from marketplace.datasets.releases.ingestion import ingest_new
from marketplace.datasets.releases.publishing import lapse_builds
from marketplace.datasets.retractions.actions import retract_erased

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return the jobs under the present settings."""
    return {
        "ingest-events": (HOUR, ingest_new),
        "retract-erased": (DAY, retract_erased),
        "lapse-builds": (HOUR, lapse_builds),
        "refresh-datasets": (10 * MINUTE, refresh_datasets),
    }
