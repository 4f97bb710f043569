"""A rule: which bank lines it books, where to, and the two people behind it."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.ledger.tables import Account
from marketplace.personal_data import FOR_GOOD, Erasure, Of, PersonalData


class BankRule(Table, db=DB, tablename="bank_rule"):
    """Somebody's proposal to book bank lines with these words on this account, another's decision, and its end."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    words = Text()
    """What a line's party, words or code must contain, whatever the case."""
    comes_in = Boolean()
    """Whether it books money that came in; else what went out."""
    most_minor = BigInt()
    """The largest amount it books, in cents without a sign: what is larger waits for a person."""
    account = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    reason = Text()
    proposed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    ended_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    ended_at = Timestamptz(null=True, default=None)
    words_say_something = Check("length(btrim(words)) BETWEEN 3 AND 140")
    books_something = Check("most_minor > 0")
    reason_is_given = Check("length(btrim(reason)) BETWEEN 3 AND 2000")
    four_eyes = Check("decided_by <> proposed_by")
    decided_whole = Check("num_nonnulls(decided_by, decided_at, approved) IN (0, 3)")
    only_an_approved_one_ends = Check(
        "num_nonnulls(ended_by, ended_at) = 0 OR num_nonnulls(ended_by, ended_at) = 2 AND approved"
    )
