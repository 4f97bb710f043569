"""Reconciliation: what a run saw, exceptions, and who sees to which of them."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, BigSerial, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import EVERYBODY, FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person


class Reconciliation(Table, db=DB, tablename="reconciliation"):
    """One comparison of our books with Stripe's balance."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    at = Timestamptz()
    stripe_minor = BigInt()
    ledger_minor = BigInt()
    unmatched = Integer()
    note = Text(default="")


class ExceptionNote(Table, db=DB, tablename="exception_note"):
    """What somebody said of an exception, and who they assigned it to, if they did; append-only."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = BigSerial(primary_key=True)
    form_id = UUID(unique=True)
    why = Text()
    subject = Text()
    """With `why`, what the exception is."""
    reference = Text()
    """What staff called it then."""
    text = Text(default="")
    assignee = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    """Who has to see to it from now on; None: it stays with the person it was with."""
    author = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    at = Timestamptz()
    says_something = Check("length(text) <= 2000 AND (assignee IS NOT NULL OR btrim(text) <> '')")


class ExceptionLook(Table, db=DB, tablename="exception_look"):
    """When all exceptions were looked for the last time, for the pages of large books: one row, or none."""

    personal_data = NOBODYS
    id = Integer(primary_key=True)
    looked_at = Timestamptz()
    one_row = Check("id = 1")


class KeptException(Table, db=DB, tablename="kept_exception"):
    """An exception that the last look found, as an `ExceptionRow` says it; the next look replaces all."""

    personal_data = PersonalData(
        EVERYBODY, "until the next look, some minutes later", exported=False, erasure=Erasure.EXPIRES
    )
    id = BigSerial(primary_key=True)
    why = Text()
    detail = Text()
    subject = Text()
    reference = Text()
    path = Text(null=True, default=None)
    amount_minor = BigInt(null=True, default=None)
    at = Timestamptz()
