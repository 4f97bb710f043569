"""The scheduled jobs of delivery: each one's name, interval in seconds and function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.scheduled import HOUR, MINUTE
from marketplace.delivery.downloads.deletion_actions import remind_of_deletion
from marketplace.delivery.downloads.reminders import write_reminders
from marketplace.delivery.outgoing.bucket_actions import fill_buckets
from marketplace.delivery.outgoing.notification_actions import notify_programs
from marketplace.delivery.population_density.callbacks import answer_callbacks

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "licence-messages": (MINUTE, write_reminders),
        "deletion-reminders": (HOUR, remind_of_deletion),
        "fill-buckets": (30, fill_buckets),
        "notify-programs": (10, notify_programs),
        "density-callbacks": (2, answer_callbacks),
    }
