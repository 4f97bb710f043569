"""Our accounts at banks: their statements, the lines of these, and the explanations of each line."""

from __future__ import annotations

from piccolo.columns import (
    UUID,
    BigInt,
    BigSerial,
    Bytea,
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

from marketplace.core.database import DB
from marketplace.core.personal_data import ELEVEN_YEARS, FOR_GOOD, OLD_DOCUMENTS, Ends, Erasure, Of, PersonalData
from marketplace.money.ledger import chart
from marketplace.money.ledger.tables import Account
from marketplace.people.identity.tables import Person
from pricing.money import EUR


class BankAccount(Table, db=DB, tablename="bank_account"):
    """One of our accounts at a bank, known from its first statement on."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    iban = Text(primary_key=True)
    opened_at = Timestamptz()
    opened_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    iban_is_plain = Check("iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'")


class BankStatement(Table, db=DB, tablename="bank_statement"):
    """A bank's statement as imported: its opening balance and its lines make its closing balance. Append-only."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = BigSerial(primary_key=True)
    iban = ForeignKey(BankAccount, null=False, on_delete=OnDelete.restrict, target_column="iban")
    message_id = Text()
    statement_id = Text()
    sequence = BigInt(null=True, default=None)
    """The bank's own count of its statements, if it has one."""
    opened_on = Date()
    closed_on = Date()
    opening_minor = BigInt()
    closing_minor = BigInt()
    currency = Varchar(length=3, default=EUR)
    line_count = BigInt()
    file_sha256 = Text()
    imported_at = Timestamptz()
    imported_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    imported_once = Unique([iban, message_id, statement_id])
    days_are_ordered = Check("opened_on <= closed_on")


class BankUpload(Table, db=DB, tablename="bank_upload"):
    """A bank's file that somebody previews before importing it."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER, Of.PARTNER),
        "until it is imported, or the next upload after a day",
        exported=False,
        erasure=Erasure.EXPIRES,
        ends=Ends("uploaded_at", 1),
    )
    id = UUID(primary_key=True)
    data = Bytea()
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    uploaded_at = Timestamptz()


class CsvMapping(Table, db=DB, tablename="csv_mapping"):
    """The columns of an account's CSV; later files with the same headings are read by them."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    iban = Text(primary_key=True)
    headings = Text()
    """Separated by tabs."""
    columns = Text()
    """JSON of `csv_files.Mapping`."""
    person = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    at = Timestamptz()
    iban_of_csv_is_plain = Check("iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}$'")


class BankLine(Table, db=DB, tablename="bank_line"):
    """One movement of a bank account, posted against the suspense account at import; append-only."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER, Of.PARTNER),
        OLD_DOCUMENTS,
        exported=False,
        erasure=Erasure.KEPT,
        ends=Ends(
            "booked_on::timestamptz", ELEVEN_YEARS, "(counterparty, counterparty_iban, remittance) <> ('', '', '')"
        ),
    )
    id = BigSerial(primary_key=True)
    statement = ForeignKey(BankStatement, null=False, on_delete=OnDelete.restrict)
    iban = Text()
    reference = Text()
    """The bank's own reference of the movement, or the statement's id and the line's place in it."""
    booked_on = Date()
    value_on = Date()
    amount_minor = BigInt()
    """Positive: incoming money."""
    currency = Varchar(length=3, default=EUR)
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


class BankNotice(Table, db=DB, tablename="bank_notice"):
    """A movement that the bank announced (camt.054) before its statement. It moves nothing in the books.

    Whether its statement has come is a query on the lines, never stored; see `queries.AWAITED`.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER, Of.PARTNER),
        OLD_DOCUMENTS,
        exported=False,
        erasure=Erasure.KEPT,
        ends=Ends(
            "booked_on::timestamptz", ELEVEN_YEARS, "(counterparty, counterparty_iban, remittance) <> ('', '', '')"
        ),
    )
    id = BigSerial(primary_key=True)
    iban = ForeignKey(BankAccount, null=False, on_delete=OnDelete.restrict, target_column="iban")
    notice_id = Text()
    """The bank's number of the notification."""
    entry = Text()
    """The reference of its entry, which may be a single line on a statement."""
    reference = Text()
    """The bank's own reference of the movement, or the notification's id and the line's place in it."""
    booked_on = Date()
    value_on = Date()
    amount_minor = BigInt()
    """Positive: incoming money."""
    end_to_end_id = Text()
    counterparty = Text()
    counterparty_iban = Text()
    remittance = Text()
    file_sha256 = Text()
    imported_at = Timestamptz()
    imported_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    announced_once = Unique([iban, reference])
    announces_something = Check("amount_minor <> 0")


class BankMatch(Table, db=DB, tablename="bank_match"):
    """The explanation of a bank line or of a part of it.

    A trigger checks that the current ones add up to the line exactly.
    """

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    line = ForeignKey(BankLine, null=False, on_delete=OnDelete.restrict)
    target_kind = Text()
    target_id = Text()
    amount_minor = BigInt()
    """Signed like the line."""
    account = ForeignKey(Account, null=False, on_delete=OnDelete.restrict, target_column="code")
    """The account that gets the amount from suspense."""
    person = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.restrict)
    """None: matched by the job."""
    score = Integer()
    reasons = Text()
    matched_at = Timestamptz()
    undone_at = Timestamptz(null=True, default=None)
    known_target = Check("target_kind IN ('payout', 'order', 'payout_line', 'fee', 'vat', 'write_off')")
    moves_something = Check("amount_minor <> 0")
    is_no_money_account = Check(f"account NOT IN ('{chart.SUSPENSE}', '{chart.BANK}', '{chart.STRIPE}')")
