"""Columns and constraints of facts for the public log: append-only, in the order of their numbers."""

from __future__ import annotations

from piccolo.columns import JSONB, BigInt, BigSerial, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS


class LogFact(Table, db=DB, tablename="log_fact"):
    """One public fact: a release sealed or recalled, an auction's terms, root or transcript, or that it was cancelled."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    kind = Text()
    subject = Text()
    """Id of the fact's subject; a fact of a kind is stated once about each subject."""
    statement = JSONB()
    """The statement, in public words and digests alone: nothing personal, nothing confidential."""
    at = Timestamptz()
    stated_once = Unique([kind, subject])
    known_kind = Check(
        "kind IN ('release_sealed', 'release_recalled', 'auction_opened', 'auction_closed', 'auction_awarded', "
        "'auction_awarded_again', 'auction_cancelled')"
    )


class UnloggedFact(Table, db=DB, tablename="unlogged_fact"):
    """A fact that is not in the log yet: a trigger writes it with the fact, the job that logs it deletes it."""

    personal_data = NOBODYS
    fact = BigInt(primary_key=True)


class HiddenFact(Table, db=DB, tablename="hidden_fact"):
    """A confidential fact: the log contains only its day's root, over places that all look alike."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    kind = Text()
    source = Text()
    """Its name, from which its place in the day's tree follows."""
    document = Text()
    """The statement, as canonical JSON, for readers with a proof of it."""
    at = Timestamptz()
    hidden_once = Unique([kind, source])
    known_kind = Check("kind IN ('price_inputs')")
