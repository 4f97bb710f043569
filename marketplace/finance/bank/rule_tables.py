"""A rule: which bank lines it books, and where to."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.money.ledger.tables import Account
from marketplace.people.identity.tables import Person


class BankRule(Table, db=DB, tablename="bank_rule"):
    """A rule that two people made: book bank lines with these words on this account, until it is ended; its proposal's id."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    words = Text()
    """What a line's party, words or code must contain, whatever the case."""
    comes_in = Boolean()
    """Whether it books money that came in; else what went out."""
    most_minor = BigInt()
    """The largest amount it books, in cents without a sign: what is larger waits for a person."""
    account = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    ended_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    ended_at = Timestamptz(null=True, default=None)
    words_say_something = Check("length(btrim(words)) BETWEEN 3 AND 140")
    books_something = Check("most_minor > 0")
    ended_by_somebody = Check("num_nonnulls(ended_by, ended_at) IN (0, 2)")
