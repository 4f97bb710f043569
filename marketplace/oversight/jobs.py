"""The scheduled jobs of oversight: each one's name, interval in seconds and function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.core.notes.actions import delete_old_notes, note_waiting
from marketplace.core.scheduled import DAY, HOUR
from marketplace.oversight.invariants import sweep_invariants
from marketplace.oversight.public_log.actions import keep_log
from marketplace.oversight.rights.erasure_list import note_erasures
from marketplace.oversight.rights.retention import enforce_retention

if TYPE_CHECKING:
    from marketplace.core.scheduled import Jobs


def jobs() -> Jobs:
    """Return them as the settings are now."""
    return {
        "keep-log": (5, keep_log),
        "note-erasures": (10, note_erasures),
        "note-words": (10, note_waiting),
        "delete-old-notes": (DAY, delete_old_notes),
        "enforce-retention": (DAY, enforce_retention),
        "sweep-invariants": (HOUR, sweep_invariants),
    }
