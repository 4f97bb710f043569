"""Columns and constraints of reconciliation: what a run saw, the bank, what explains it, write-offs, refunds' reasons."""

from __future__ import annotations

from piccolo.columns import (
    UUID,
    BigInt,
    BigSerial,
    Boolean,
    Date,
    ForeignKey,
    Integer,
    OnDelete,
    Text,
    Timestamptz,
    Varchar,
)
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.ledger.tables import Account
from marketplace.purchases.tables import Order


class Reconciliation(Table, db=DB, tablename="reconciliation"):
    """One comparison of our books with Stripe's balance."""

    id = BigSerial(primary_key=True)
    at = Timestamptz()
    stripe_minor = BigInt()
    ledger_minor = BigInt()
    unmatched = Integer()
    note = Text(default="")


class RefundDecision(Table, db=DB, tablename="refund_decision"):
    """Who decided to give an order's money back, and why; the form's own id makes it once."""

    id = UUID(primary_key=True)
    purchase_order = ForeignKey(Order, null=False, on_delete=OnDelete.restrict)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    reason = Text()
    decided_at = Timestamptz()
    reason_is_given = Check("length(btrim(reason)) BETWEEN 3 AND 2000")


class BankAccount(Table, db=DB, tablename="bank_account"):
    """One of our accounts at a bank, known from its first statement on."""

    iban = Text(primary_key=True)
    opened_at = Timestamptz()
    opened_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    iban_is_plain = Check("iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'")


class BankStatement(Table, db=DB, tablename="bank_statement"):
    """A bank's statement as imported: its opening balance and its lines make its closing balance. Append-only."""

    id = BigSerial(primary_key=True)
    iban = ForeignKey(BankAccount, null=False, on_delete=OnDelete.restrict, target_column="iban")
    message_id = Text()
    statement_id = Text()
    sequence = BigInt(null=True, default=None)
    """The bank's own count of its statements, where it gives one."""
    opened_on = Date()
    closed_on = Date()
    opening_minor = BigInt()
    closing_minor = BigInt()
    currency = Varchar(length=3, default="EUR")
    line_count = BigInt()
    file_sha256 = Text()
    imported_at = Timestamptz()
    imported_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    imported_once = Unique([iban, message_id, statement_id])
    days_are_ordered = Check("opened_on <= closed_on")


class BankLine(Table, db=DB, tablename="bank_line"):
    """One movement of a bank account, posted against the suspense account at import; append-only."""

    id = BigSerial(primary_key=True)
    statement = ForeignKey(BankStatement, null=False, on_delete=OnDelete.restrict)
    iban = Text()
    reference = Text()
    """The bank's own reference of the movement, or the statement's id and the line's place in it."""
    booked_on = Date()
    value_on = Date()
    amount_minor = BigInt()
    """Positive: money came in."""
    currency = Varchar(length=3, default="EUR")
    end_to_end_id = Text()
    batch_id = Text()
    transaction_id = Text()
    counterparty = Text()
    counterparty_iban = Text()
    remittance = Text()
    code = Text()
    """The bank's transaction code: PMNT/RRTN."""
    return_reason = Text()
    one_line_a_reference = Unique([iban, reference])
    moves_something = Check("amount_minor <> 0")


class BankMatch(Table, db=DB, tablename="bank_match"):
    """What a bank line, or a part of it, is; the live ones of a line add up to it exactly, held by a trigger."""

    id = UUID(primary_key=True)
    line = ForeignKey(BankLine, null=False, on_delete=OnDelete.restrict)
    target_kind = Text()
    target_id = Text()
    amount_minor = BigInt()
    """Signed like the line."""
    account = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    """Where the suspense account's amount goes."""
    person = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    """None: matched by the job."""
    score = Integer()
    reasons = Text()
    matched_at = Timestamptz()
    undone_at = Timestamptz(null=True, default=None)
    known_target = Check("target_kind IN ('payout', 'order', 'payout_line', 'fee', 'write_off')")
    moves_something = Check("amount_minor <> 0")
    is_no_money_account = Check("account NOT IN ('471000', '512100', '517000')")


class WriteOff(Table, db=DB, tablename="write_off"):
    """Someone's proposal to let an exception go, and someone else's decision."""

    id = UUID(primary_key=True)
    why = Text()
    subject = Text()
    """With `why`, what the exception is."""
    reference = Text()
    amount_minor = BigInt(null=True, default=None)
    """What the exception was about then: should it change, it is open again."""
    happened_at = Timestamptz()
    reason = Text()
    proposed_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    proposed_at = Timestamptz()
    decided_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    decided_at = Timestamptz(null=True, default=None)
    approved = Boolean(null=True, default=None)
    reason_is_given = Check("length(btrim(reason)) BETWEEN 3 AND 2000")
    four_eyes = Check("decided_by <> proposed_by")
    decided_whole = Check("num_nonnulls(decided_by, decided_at, approved) IN (0, 3)")


class ExportFile(Table, db=DB, tablename="export_file"):
    """A file of the books that someone in finance asked for: written by a job, checked, and kept with its hash."""

    id = UUID(primary_key=True)
    format = Text()
    """fec, beancount or hledger."""
    first_day = Date()
    last_day = Date()
    """Included, like the first; both in Paris."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    requested_at = Timestamptz()
    state = Text(default="waiting")
    """waiting → done | failed."""
    lines_expected = BigInt(default=0)
    lines_written = BigInt(default=0)
    file_name = Text(default="")
    sha256 = Text(default="")
    done_at = Timestamptz(null=True, default=None)
    fault = Text(null=True, default=None)
    """What our own check found wrong with the file; such a file is not handed out."""
    known_format = Check("format IN ('fec', 'beancount', 'hledger')")
    known_state = Check("state IN ('waiting', 'done', 'failed')")
    days_are_ordered = Check("first_day <= last_day")
    done_at_an_instant = Check("(state = 'waiting') = (done_at IS NULL)")
