"""Columns and constraints of the public log: entries in their order, trees of days, their items, and signed heads."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Bytea, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.facts.tables import LogFact
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData


class LogEntry(Table, db=DB, tablename="log_entry"):
    """An entry of the log at its final place: a fact, or a day's root; append-only."""

    personal_data = NOBODYS
    number = BigInt(primary_key=True)
    """0, 1, 2 … without a gap."""
    kind = Text()
    subject = Text()
    """Id of its subject; for a day's root, the day."""
    content = Bytea()
    """Canonical JSON (RFC 8785): the hashed and served bytes."""
    fact: ForeignKey[LogFact] = ForeignKey(LogFact, null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """None for a day's root, and for an entry brought back from the published tiles."""
    number_counts_from_zero = Check("number >= 0")
    content_fits_a_bundle = Check("length(content) BETWEEN 1 AND 65535")


class DayTree(Table, db=DB, tablename="day_tree"):
    """The tree over a day's hidden items of one kind; append-only."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    kind = Text()
    day = Date()
    key = Bytea()
    """32 secret bytes, from which salts and empty places are derived."""
    crown = Bytea()
    """The 256 hashes of 32 bytes, eight levels below the root: with them a path needs only a few items."""
    one_tree_a_day = Unique([kind, day])
    key_is_long = Check("length(key) = 32")
    crown_is_whole = Check("length(crown) = 8192")


class DayItem(Table, db=DB, tablename="day_item"):
    """An item at its place in a day's tree; append-only."""

    personal_data = PersonalData((Of.SUBSCRIBER,), FOR_GOOD, exported=False, erasure=Erasure.PSEUDONYM)
    id = BigSerial(primary_key=True)
    tree: ForeignKey[DayTree] = ForeignKey(DayTree, null=False, on_delete=OnDelete.restrict)
    kind = Text()
    source = Text()
    """The name of its subject: a receipt, a journal entry, a link of the trail, a price."""
    place = BigInt()
    digest = Bytea()
    """SHA-256 of its document."""
    item_logged_once = Unique([kind, source])
    one_item_a_place = Unique([tree, place])
    digest_is_sha256 = Check("length(digest) = 32")


class LogHead(Table, db=DB, tablename="log_head"):
    """A signed head of the log; append-only."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    origin = Text()
    """The log's public name: its address without the scheme."""
    size = BigInt()
    """How many entries it covers."""
    root = Text()
    note = Text()
    """The signed note (C2SP tlog-checkpoint), without witnesses."""
    key = Text()
    """The key that verifies it, in published form."""
    signed_at = Timestamptz()
    one_head_a_size = Unique([origin, size])
    size_is_positive = Check("size >= 1")
    root_is_sha256 = Check("root ~ '^[0-9a-f]{64}$'")
