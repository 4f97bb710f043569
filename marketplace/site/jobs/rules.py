"""When a job is late: the definition for the monitor, the status page and `doctor`."""

from __future__ import annotations

import datetime as dt

GRACE = dt.timedelta(minutes=10)
"""How long after a slot began a job is reported late."""
LONGEST_RUN = dt.timedelta(hours=6)
"""A build of a month of events needs hours; an older unfinished run died with its worker."""


def is_late(
    now: dt.datetime, every: int, *, started_at: dt.datetime, finished_at: dt.datetime | None, is_running: bool
) -> bool:
    """Return whether a job's next slot began more than ten minutes ago without a run.

    every: the job's interval in seconds. started_at: of its latest run. finished_at: of the last run that finished.
    is_running: whether its latest run has neither finished nor failed.
    """
    if is_running and now - started_at < LONGEST_RUN:
        return False
    if finished_at is None:
        return now - started_at > GRACE
    return now - finished_at > dt.timedelta(seconds=every) + GRACE
