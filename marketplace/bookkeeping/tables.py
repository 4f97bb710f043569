"""The files of the books that someone asked for, and the months and years that two people closed."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, Boolean, Date, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import FOR_GOOD, Erasure, Of, PersonalData


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


class YearClose(Table, db=DB, tablename="year_close"):
    """Somebody's proposal to close a year whose months are closed, and another's decision; `id` is also that of its FEC."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    year = Integer()
    result_minor = BigInt()
    """What the year earned; negative: a loss."""
    carried_minor = BigInt()
    """The sum of the debit balances that open the next year, and of the credit ones: they are equal."""
    proposed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    words = JSONB(default="{}")
    """What the file of the year is written with besides the books: labels, the accountant's numbers and titles of accounts."""
    four_eyes = Check("decided_by <> proposed_by")
    decided_whole = Check("num_nonnulls(decided_by, decided_at, approved) IN (0, 3)")


class MonthClose(Table, db=DB, tablename="month_close"):
    """Somebody's proposal to close a month whose checks pass, and another's decision; approved, the ledger's `period` is there."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    month = Date()
    """Its first day."""
    proposed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    four_eyes = Check("decided_by <> proposed_by")
    decided_whole = Check("num_nonnulls(decided_by, decided_at, approved) IN (0, 3)")
