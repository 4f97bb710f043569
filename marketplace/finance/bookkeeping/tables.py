"""The files of the books that someone asked for."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person


class ExportFile(Table, db=DB, tablename="export_file"):
    """A file of the books that someone in finance asked for: written by a job, checked, and kept with its hash."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    format = Text()
    """A code of `exports.registry`."""
    first_day = Date()
    last_day = Date()
    """Included, like the first; both in Paris."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    requested_at = Timestamptz()
    state = Text(default="waiting")
    """waiting → done | failed."""
    lines_expected = BigInt(default=0)
    lines_written = BigInt(default=0)
    file_name = Text(default="")
    sha256 = Text(default="")
    done_at = Timestamptz(null=True, default=None)
    fault = Text(null=True, default=None)
    """What our own check found wrong with the file; such a file is not handed out."""
    known_state = Check("state IN ('waiting', 'done', 'failed')")
    days_are_ordered = Check("first_day <= last_day")
    done_at_an_instant = Check("(state = 'waiting') = (done_at IS NULL)")
