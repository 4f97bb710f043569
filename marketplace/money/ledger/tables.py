"""Columns and constraints of the books: a posting is (debit, credit, amount > 0), so nothing unbalanced can be written."""

from __future__ import annotations

from typing import Any

from piccolo.columns import (
    JSONB,
    BigInt,
    BigSerial,
    Date,
    ForeignKey,
    OnDelete,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person
from pricing.money import EUR


class Account(Table, db=DB, tablename="account"):
    """A ledger account of the chart (French PCG)."""

    personal_data = NOBODYS
    code = Text(primary_key=True)
    title_fr = Text()
    title_en = Text()
    code_is_digits = Check("code ~ '^[1-8][0-9]{2,7}$'")


class JournalEntry(Table, db=DB, tablename="journal_entry"):
    """One business fact, recorded once: its kind and the id of what it records are unique together."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    kind = Text()
    source_id = Text()
    """Id of the order, licence, run or balance transaction this entry records."""
    at = Timestamptz()
    """When the fact happened: the books' date."""
    recorded_at = Timestamptz()
    currency = Varchar(length=3, default=EUR)
    text = Text()
    reverses: ForeignKey[Any] = ForeignKey("self", null=True, default=None, on_delete=OnDelete.restrict, unique=True)
    """The entry that this one reverses: a correction is a new entry."""
    recorded_once = Unique([kind, source_id])


class Posting(Table, db=DB, tablename="posting"):
    """An amount moved from the credited account to the debited one."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    entry = ForeignKey(JournalEntry, null=False, on_delete=OnDelete.restrict)
    debit = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    credit = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    amount_minor = BigInt()
    amount_is_positive = Check("amount_minor > 0")
    two_accounts = Check("debit <> credit")


class Period(Table, db=DB, tablename="period"):
    """A closed month: from then on an entry dated before its end is refused. Append-only, so nothing reopens."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    month = Date(primary_key=True)
    """Its first day."""
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    """Midnights in Paris; the end is excluded."""
    closed_at = Timestamptz()
    closed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    checks = JSONB()
    """What was checked, and what each check found."""
    is_a_month = Check("extract(day FROM month) = 1 AND starts_at < ends_at AND ends_at <= closed_at")


class PeriodBalance(Table, db=DB, tablename="period_balance"):
    """What an account adds up to by the end of a closed month, from the first entry on; append-only, like what it sums."""

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    month = ForeignKey(Period, null=False, on_delete=OnDelete.restrict, target_column="month")
    account = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    debit_minor = BigInt()
    credit_minor = BigInt()
    one_sum_an_account = Unique([month, account])
    sums_are_not_negative = Check("debit_minor >= 0 AND credit_minor >= 0")


class DaySum(Table, db=DB, tablename="day_sum"):
    """What postings of a day in Paris add up to on an account: kept so that a balance reads days in place of postings.

    A trigger adds rows as postings come, in the same transaction, so that no two sales wait for one row; a job adds the
    rows of a day and an account together. A balance is the sum of rows, whether or not the job has been.
    """

    personal_data = NOBODYS
    id = BigSerial(primary_key=True)
    day = Date()
    account = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    debit_minor = BigInt()
    credit_minor = BigInt()
    sums_are_not_negative = Check("debit_minor >= 0 AND credit_minor >= 0")


class UnsummedEntry(Table, db=DB, tablename="unsummed_entry"):
    """An entry of revenue, or of shares of it, that bookkeeping has not summed yet: a trigger writes it with the entry."""

    personal_data = NOBODYS
    entry = BigInt(primary_key=True)
