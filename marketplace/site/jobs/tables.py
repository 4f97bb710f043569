"""The table of job runs: whether a slot of a job ran."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Integer, Text, Timestamptz
from piccolo.constraints import Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import Ends, Erasure, PersonalData


class JobRun(Table, db=DB, tablename="job_run"):
    """One slot of one job: started, and finished or failed with an error to be tried again."""

    personal_data = PersonalData((), "31 days", exported=False, erasure=Erasure.NOTHING, ends=Ends("finished_at", 31))
    id = BigSerial(primary_key=True)
    job = Text()
    slot = Timestamptz()
    missed = Integer(default=0)
    """Earlier slots that this run covers."""
    started_at = Timestamptz()
    finished_at = Timestamptz(null=True, default=None)
    error = Text(null=True, default=None)
    found = BigInt(null=True, default=None)
    """How many rows the job found or moved, if it counts them."""
    runs_once = Unique([job, slot])
