"""Columns and constraints of erasures: who is gone, by an id that leads to nobody here any more."""

from __future__ import annotations

from piccolo.columns import UUID, Timestamptz
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import EVERYBODY, FOR_GOOD, Erasure, PersonalData


class ErasedPerson(Table, db=DB, tablename="erasure"):
    """Somebody was erased. Noted apart from the database too, so that no restore brings them back."""

    personal_data = PersonalData(EVERYBODY, FOR_GOOD, exported=False, erasure=Erasure.PSEUDONYM)
    person = UUID(primary_key=True)
    """The random id that their row had; nothing else of theirs has it but what stays under it."""
    at = Timestamptz()
    noted_at = Timestamptz(null=True, default=None)
    """When it was noted in PARTAGE_ERASURES; null: not yet."""
