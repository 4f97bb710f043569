"""Columns and constraints of the public log: entries in their order, trees of days, their items, and signed heads."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Bytea, Date, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.log.tables import LogFact
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData


class LogEntry(Table, db=DB, tablename="log_entry"):
    """An entry of the log at its place for good: a fact, or a day's root; append-only."""

    personal_data = NOBODYS
    number = BigInt(primary_key=True)
    """0, 1, 2 … without a gap."""
    kind = Text()
    subject = Text()
    """Id of what it is about; of a day's root, the day."""
    content = Bytea()
    """Canonical JSON (RFC 8785): the bytes that are hashed and served."""
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
    """32 secret bytes: salts and empty places follow from them."""
    crown = Bytea()
    """256 hashes of 32 bytes, below the root by eight levels: with them a path needs a few items, not all."""
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
    """Names what it is of: a receipt, a journal entry, a link of the trail, a price."""
    place = BigInt()
    digest = Bytea()
    """SHA-256 of its document."""
    item_logged_once = Unique([kind, source])
    one_item_a_place = Unique([tree, place])
    digest_is_sha256 = Check("length(digest) = 32")


class LogHead(Table, db=DB, tablename="log_head"):
    """A head of the log as it was signed; append-only."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    origin = Text()
    """The log's name for everybody: its address without the scheme."""
    size = BigInt()
    """How many entries it is of."""
    root = Text()
    note = Text()
    """The signed note (C2SP tlog-checkpoint), without witnesses."""
    key = Text()
    """The key that it verifies under, as it is published."""
    signed_at = Timestamptz()
    one_head_a_size = Unique([origin, size])
    size_is_positive = Check("size >= 1")
    root_is_sha256 = Check("root ~ '^[0-9a-f]{64}$'")
