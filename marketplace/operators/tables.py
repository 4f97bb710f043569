"""Columns and constraints of the operator's own systems: their keys, and the runs that made activation codes."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import NOBODYS


class OperatorKey(Table, db=DB, tablename="operator_key"):
    """A key of one of the operator's own systems: shown once, kept as its SHA-256."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    label = Text()
    prefix = Text(unique=True)
    """The first characters: what lists show, and what a key is ended by."""
    key_hash = Text(unique=True)
    scopes = Text()
    """What it may do, of `rules.SCOPES`, with spaces between."""
    created_at = Timestamptz()
    last_used_at = Timestamptz(null=True, default=None)
    ended_at = Timestamptz(null=True, default=None)
    label_is_given = Check("length(label) BETWEEN 1 AND 80")
    may_do_something = Check("scopes <> ''")


class LetterRun(Table, db=DB, tablename="letter_run"):
    """A file of letters, or one code that an operator's system asked for: the codes themselves are nowhere."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    at = Timestamptz()
    codes = BigInt()
    sha256 = Text(null=True, default=None)
    """Of the file, hex: a run that was stopped is finished by it. Null for a code that was asked for by the API."""
    made_something = Check("codes > 0")
