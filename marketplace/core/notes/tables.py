"""Columns of notes that are not outside the database yet."""

from __future__ import annotations

from piccolo.columns import JSONB, BigSerial, Text, Timestamptz
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import Erasure, Of, PersonalData


class WaitingNote(Table, db=DB, tablename="waiting_note"):
    """A note that is written with its word, and deleted once it is outside: before the word is acknowledged, or by the job."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER, Of.PARTNER), "until it is noted outside", exported=False, erasure=Erasure.EXPIRES
    )
    id = BigSerial(primary_key=True)
    kind = Text()
    content = JSONB()
    at = Timestamptz()
