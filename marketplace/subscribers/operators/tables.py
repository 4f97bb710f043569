"""Columns and constraints of the operator's own systems: their keys, and the runs that made activation codes."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS


class OperatorKey(Table, db=DB, tablename="operator_key"):
    """A key of one of the operator's own systems: shown once, stored as its SHA-256."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    label = Text()
    prefix = Text(unique=True)
    """The first characters: lists show them, and a key is ended by them."""
    key_hash = Text(unique=True)
    scopes = Text()
    """Its scopes, of `rules.SCOPES`, separated by spaces."""
    created_at = Timestamptz()
    last_used_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)
    label_is_given = Check("length(label) BETWEEN 1 AND 80")
    may_do_something = Check("scopes <> ''")


class LetterRun(Table, db=DB, tablename="letter_run"):
    """A file of letters, or one code that an operator's system requested; the codes themselves are not stored."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    at = Timestamptz()
    codes = BigInt()
    sha256 = Text(null=True, default=None)
    """The SHA-256 of the file, hex: an interrupted run is finished by it. Null for a code requested through the API."""
    made_something = Check("codes > 0")
