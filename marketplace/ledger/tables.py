"""Columns and constraints of the books: a posting is (debit, credit, amount > 0), so nothing unbalanced can be written."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, ForeignKey, OnDelete, Text, Timestamptz, Varchar
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB


class Account(Table, db=DB, tablename="account"):
    """A ledger account of the chart (French PCG)."""

    code = Text(primary_key=True)
    title_fr = Text()
    title_en = Text()
    code_is_digits = Check("code ~ '^[1-8][0-9]{2,7}$'")


class JournalEntry(Table, db=DB, tablename="journal_entry"):
    """One business fact, recorded once: its kind and the id of what it records are unique together."""

    id = BigSerial(primary_key=True)
    kind = Text()
    source_id = Text()
    """Id of the order, licence, run or balance transaction this entry records."""
    at = Timestamptz()
    """When the fact happened: the books' date."""
    recorded_at = Timestamptz()
    currency = Varchar(length=3, default="EUR")
    text = Text()
    recorded_once = Unique([kind, source_id])


class Posting(Table, db=DB, tablename="posting"):
    """An amount moved from the credited account to the debited one."""

    id = BigSerial(primary_key=True)
    entry = ForeignKey(JournalEntry, null=False, on_delete=OnDelete.restrict)
    debit = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    credit = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    amount_minor = BigInt()
    amount_is_positive = Check("amount_minor > 0")
    two_accounts = Check("debit <> credit")
