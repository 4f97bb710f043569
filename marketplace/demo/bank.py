"""A simulated bank for the demo and the tests: accepts pain.001, answers with pain.002, executes, and issues camt.053.

It rejects a file that breaks the schema or repeats a message id, and transfers to IBANs with wrong check digits. Other
rejections and returns are set by IBAN.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lxml import etree

from marketplace.demo.bank_messages import (
    Batch,
    CreditTransfer,
    StatementEntry,
    has_valid_check_digits,
    is_valid,
    message_id,
    read_batches,
    totals_match,
    write_names_report,
    write_report,
    write_statement,
)

if TYPE_CHECKING:
    import datetime as dt

EXECUTED, RETURNED, REJECTED, RECEIVED = "PMNT/ICDT/ESCT", "PMNT/RCDT/RRTN", "PMNT/ICDT/RRTN", "PMNT/RCDT/ESCT"
"""Bank transaction codes: domain, family, subfamily."""


@dataclass
class Bank:
    """One account at a bank, and the days that it has closed."""

    iban: str
    balance_cents: int = 100_000_000
    books_batches: bool = True
    """A statement has one entry per batch; otherwise one per transfer."""
    books_gross: bool = False
    """A batch's entry includes the rejected transfers, and each of these is credited by its own entry."""
    rejects: dict[str, str] = field(default_factory=dict)
    """IBAN → reason: rejected when the file is submitted."""
    names: dict[str, str] = field(default_factory=dict)
    """IBAN → a status of names, such as RVNM, for `verify`; all others match."""
    returns: dict[str, str] = field(default_factory=dict)
    """IBAN → reason: returned the working day after it was executed."""
    accepted_messages: set[str] = field(default_factory=set)
    pending: dict[dt.date, list[CreditTransfer]] = field(default_factory=dict)
    """Accepted transfers by their day of execution."""
    pending_returns: list[tuple[CreditTransfer, str]] = field(default_factory=list)
    rejected: list[tuple[CreditTransfer, str]] = field(default_factory=list)
    """Rejected transfers to credit with the next execution, if the bank books gross."""
    received: list[tuple[int, str]] = field(default_factory=list)
    """Cents that others sent, and their texts; the next statement has an entry for each."""
    days: int = 0
    """Days closed so far: the last statement's sequence number."""

    def verify(self, file: bytes) -> bytes:
        """Report the names on a pain.001 that differ (a pain.002), and hold it until it is submitted as authorised."""
        document = etree.fromstring(file)
        differing = {
            batch.id: [
                (transfer, self.names[transfer.iban]) for transfer in batch.transfers if transfer.iban in self.names
            ]
            for batch in read_batches(document)
        }
        return write_names_report(message_id(document), {batch: found for batch, found in differing.items() if found})

    def submit(self, file: bytes) -> bytes:
        """Accept or reject a pain.001 and return the pain.002 that answers it."""
        document = etree.fromstring(file)
        message = message_id(document)
        if reason := self._reason_to_reject_file(document, message):
            return write_report(message, "RJCT", reason=reason, number=len(self.accepted_messages))
        self.accepted_messages.add(message)
        batches = read_batches(document)
        if any(batch.debtor_iban != self.iban for batch in batches):
            return write_report(message, "RJCT", reason="AC02", number=len(self.accepted_messages))
        rejected = {batch.id: found for batch in batches if (found := self._accept(batch))}
        total, failed = sum(len(batch.transfers) for batch in batches), sum(map(len, rejected.values()))
        status = "ACCP" if not failed else "RJCT" if failed == total else "PART"
        return write_report(message, status, rejected=rejected, number=len(self.accepted_messages))

    def _reason_to_reject_file(self, document: etree._Element, message: str) -> str:
        if not is_valid(document):
            return "FF01"
        if message in self.accepted_messages:
            return "AM05"
        return "" if totals_match(document) else "AM10"

    def _accept(self, batch: Batch) -> list[tuple[CreditTransfer, str]]:
        """Schedule the transfers of a batch and return those that are rejected, each with its reason."""
        rejected = []
        for transfer in batch.transfers:
            reason = self.rejects.get(transfer.iban, "" if has_valid_check_digits(transfer.iban) else "AC01")
            if reason:
                rejected.append((transfer, reason))
            if not reason or self.books_gross:
                self.pending.setdefault(batch.day, []).append(transfer)
        if self.books_gross:
            self.rejected += rejected
        return rejected

    def close_day(self, day: dt.date, *, booked_on: dt.date | None = None) -> bytes:
        """Execute the transfers due by this day and return its statement, dated `booked_on` if given."""
        self.days += 1
        due = [transfer for on, transfers in self.pending.items() if on <= day for transfer in transfers]
        self.pending = {on: transfers for on, transfers in self.pending.items() if on > day}
        entries = [
            StatementEntry(transfer.cents, RETURNED, details=[(transfer, reason)])
            for transfer, reason in self.pending_returns
        ]
        entries += self._executions(due)
        entries += [StatementEntry(cents, RECEIVED, remittance=words) for cents, words in self.received]
        self.received = []
        rejected = self.rejected if due else []
        entries += [
            StatementEntry(transfer.cents, REJECTED, details=[(transfer, reason)]) for transfer, reason in rejected
        ]
        never_paid = {transfer.reference for transfer, _ in self.rejected}
        self.pending_returns = [
            (transfer, self.returns[transfer.iban])
            for transfer in due
            if transfer.iban in self.returns and transfer.reference not in never_paid
        ]
        if due:
            self.rejected = []
        opening, self.balance_cents = self.balance_cents, self.balance_cents + sum(entry.cents for entry in entries)
        return write_statement(self.iban, booked_on or day, self.days, opening_cents=opening, entries=entries)

    def _executions(self, due: list[CreditTransfer]) -> list[StatementEntry]:
        if not self.books_batches:
            return [StatementEntry(-transfer.cents, EXECUTED, transfer.batch, [(transfer, "")]) for transfer in due]
        totals: dict[str, int] = {}
        for transfer in due:
            totals[transfer.batch] = totals.get(transfer.batch, 0) + transfer.cents
        return [StatementEntry(-cents, EXECUTED, batch) for batch, cents in totals.items()]
