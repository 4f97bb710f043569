"""Columns and constraints of facts for the public log: append-only, in the order of their numbers."""

from __future__ import annotations

from piccolo.columns import JSONB, BigSerial, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import NOBODYS


class LogFact(Table, db=DB, tablename="log_fact"):
    """One public fact: a release sealed or recalled, an auction's terms, root or transcript."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    kind = Text()
    subject = Text()
    """Id of what the fact is about; a fact of a kind is stated once about each subject."""
    statement = JSONB()
    """What is stated, in public words and digests alone: nothing personal, nothing confidential."""
    at = Timestamptz()
    stated_once = Unique([kind, subject])
    known_kind = Check(
        "kind IN ('release_sealed', 'release_recalled', 'auction_opened', 'auction_closed', 'auction_awarded')"
    )
