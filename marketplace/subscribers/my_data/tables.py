"""The table of maps that people requested of their own events: sealed to the session, deleted after ten minutes."""

from __future__ import annotations

from piccolo.columns import UUID, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import Ends, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Subscriber


class OwnMap(Table, db=DB, tablename="own_map"):
    """A map that somebody requested; only a person with the session's secret can open it."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), "ten minutes", exported=False, erasure=Erasure.EXPIRES, ends=Ends("asked_at")
    )
    id = UUID(primary_key=True)
    person = UUID(default=None)
    """The person who asked; not a foreign key, because an account may be deleted up to ten minutes before the row."""
    subscriber = ForeignKey(Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference")
    public_key = Text()
    """The key that seals the map, 64 hex digits: made from the session's secret, which is not stored."""
    asked_at = Timestamptz()
    sealed = Bytea(null=True, default=None)
    """Null until the job has made it."""
