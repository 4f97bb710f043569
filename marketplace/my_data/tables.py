"""The table of maps that people asked for of their own events: sealed to the session that asked, gone in ten minutes."""

from __future__ import annotations

from piccolo.columns import UUID, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Subscriber
from marketplace.personal_data import Ends, Erasure, Of, PersonalData


class OwnMap(Table, db=DB, tablename="own_map"):
    """A map that somebody asked for; only who has the session's secret can open it."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,), "ten minutes", exported=False, erasure=Erasure.EXPIRES, ends=Ends("asked_at")
    )
    id = UUID(primary_key=True)
    person = UUID(default=None)
    """Who asked, and no key: the row outlives nobody's account by more than ten minutes."""
    subscriber = ForeignKey(Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference")
    public_key = Text()
    """Made from the session's secret, which is nowhere: what the map is sealed with, 64 hex digits."""
    asked_at = Timestamptz()
    sealed = Bytea(null=True, default=None)
    """Null until the job has made it."""
