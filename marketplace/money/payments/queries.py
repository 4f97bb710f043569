"""Queries of payments for other packages and pages: never a command's parameters, which are Stripe's own."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.statements import load_statements
from marketplace.money.payments.tables import BalanceTransaction, Payment, StripeCommand

if TYPE_CHECKING:
    from collections.abc import Sequence

SQL: Final = load_statements(__package__)
STUCK_AFTER: Final = dt.timedelta(minutes=10)
"""A command that is not done by then is shown to finance."""
LOST_SHOWN_FOR: Final = dt.timedelta(days=7)
LOST_BY: Final = {"": "lost_at DESC", "type": "type", "happened": "created_at", "came": "received_at"}


class PaymentRow(Struct, frozen=True):
    """A payment; amounts in cents, `transfer` is JSON while a bank transfer is awaited."""

    subject: uuid.UUID
    payer: uuid.UUID | None
    amount_minor: int
    currency: str
    capture: str
    state: str
    session_id: str | None
    checkout_url: str | None
    payment_intent_id: str | None
    charge_id: str | None
    method: str | None
    transfer: str | None
    declined: str | None
    received_minor: int
    refunded_minor: int
    capture_before: dt.datetime | None
    paid_at: dt.datetime | None
    reading: int


class BankTransfer(Struct, frozen=True):
    """Where to send an awaited bank transfer; `remaining_minor` is the amount still missing, in cents."""

    iban: str
    bic: str
    name: str
    reference: str
    remaining_minor: int
    url: str


class CommandRow(Struct, frozen=True):
    """A command as finance lists it."""

    id: uuid.UUID
    verb: str
    state: str
    attempts: int
    created_at: dt.datetime
    object_id: str | None
    error: str | None


class MovementRow(Struct, frozen=True):
    """One of Stripe's balance transactions; amounts in cents."""

    id: str
    category: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    source_id: str | None
    charge_id: str | None
    payment_subject: uuid.UUID | None
    status: str
    payout_id: str | None
    created_at: dt.datetime
    available_on: dt.datetime


class SavedMethodRow(Struct, frozen=True):
    """A saved method that may be charged, with its owner as Stripe's customer; `ends_on` is its first invalid day."""

    id: uuid.UUID
    kind: str | None
    brand: str | None
    last_four: str | None
    ends_on: dt.date | None
    method_id: str | None
    saved_at: dt.datetime | None
    customer_id: str | None


class TransferState(Struct, frozen=True):
    """A transfer, by what it pays, and the state of its command."""

    id: uuid.UUID
    state: str


class ReversedTransfer(Struct, frozen=True):
    """A transfer, by what it pays, and its cents that Stripe reversed."""

    id: uuid.UUID
    reversed_minor: int


class StuckCommand(Struct, frozen=True):
    """A command that waits for finance, with its partner; `amount_minor` in cents."""

    id: uuid.UUID
    verb: str
    subject: uuid.UUID
    state: str
    attempts: int
    created_at: dt.datetime
    next_at: dt.datetime
    first_tried_at: dt.datetime | None
    error: str | None
    amount_minor: int | None
    company: str | None


class LostEvent(Struct, frozen=True):
    """An event that no webhook brought in time."""

    id: str
    type: str
    created_at: dt.datetime
    received_at: dt.datetime
    lost_at: dt.datetime | None


class ErrorCounts(Struct, frozen=True):
    """How many commands are stuck, and how many events were lost or are not handled yet."""

    stuck_commands: int
    lost_events: int
    waiting_events: int


async def get_payment(subject: uuid.UUID) -> PaymentRow:
    """Return the payment of `subject`; raises NotFound."""
    return existing(
        await fetch_row(PaymentRow, select(PaymentRow, Payment).where(Payment.subject == subject)),
        NotFound("There is no payment {subject}.", subject=subject),
    )


def read_bank_transfer(transfer: str | None) -> BankTransfer | None:
    """Return where to send a bank transfer, from its payment's row; None while none is awaited."""
    return msgspec.json.decode(transfer, type=BankTransfer) if transfer else None


async def find_open_page(subject: uuid.UUID) -> str | None:
    """Return the address of the hosted page where `subject` can be paid, or None if none is open."""
    is_open = (Payment.subject == subject, Payment.state == "open")
    return await fetch_scalar(str, Payment.select(Payment.checkout_url).where(*is_open))


async def list_commands(subject: uuid.UUID) -> list[CommandRow]:
    """Return the commands to Stripe for `subject`, oldest first."""
    of_subject = select(CommandRow, StripeCommand).where(StripeCommand.subject == subject)
    return await fetch_rows(CommandRow, of_subject.order_by(StripeCommand.created_at, StripeCommand.id))


async def list_movements_of(subject: uuid.UUID) -> list[MovementRow]:
    """Return Stripe's balance transactions of `subject`'s payment, oldest first."""
    of_subject = select(MovementRow, BalanceTransaction).where(BalanceTransaction.payment_subject == subject)
    return await fetch_rows(MovementRow, of_subject.order_by(BalanceTransaction.created_at, BalanceTransaction.id))


# ------------------------------------------------------------------ refunds
async def find_refund_amount(refund_id: uuid.UUID) -> int | None:
    """Return the cents of a requested refund, or None if it was not requested."""
    of_refund = (StripeCommand.id == refund_id, StripeCommand.verb == "refund")
    return await fetch_scalar(int, StripeCommand.select(StripeCommand.amount_minor).where(*of_refund))


async def has_last_refund_failed(subject: uuid.UUID) -> bool:
    """Return whether Stripe permanently refused the latest refund of a payment."""
    refunds = (StripeCommand.subject == subject, StripeCommand.verb == "refund")
    latest = StripeCommand.select(StripeCommand.state).where(*refunds)
    state = await fetch_scalar(str, latest.order_by(StripeCommand.created_at, ascending=False).limit(1))
    return state == "failed"


# ------------------------------------------------------------------ transfers
async def list_transfer_states(payouts: Sequence[uuid.UUID]) -> list[TransferState]:
    """Return the transfers of these payouts that Stripe has decided: done or failed."""
    if not payouts:
        return []
    decided = (
        StripeCommand.id.is_in(list(payouts)),
        StripeCommand.verb == "transfer",
        StripeCommand.state.is_in(["done", "failed"]),
    )
    return await fetch_rows(TransferState, select(TransferState, StripeCommand).where(*decided))


async def list_reversed_transfers() -> list[ReversedTransfer]:
    """Return the transfers that Stripe reversed, whole or in part."""
    return await fetch_rows(ReversedTransfer, SQL["list_reversed_transfers"])


# ------------------------------------------------------------------ saved methods
async def find_saved_method(
    partner: uuid.UUID, *, kinds: Sequence[str] = ("card", "sepa_debit")
) -> SavedMethodRow | None:
    """Return a partner's latest saved payment method of these kinds that is still valid."""
    return await fetch_row(SavedMethodRow, SQL["find_saved_method"], clock.now().date(), partner, list(kinds))


async def list_partners_with_saved_method(partners: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return which of these partners have a valid saved method."""
    today = clock.now().date()
    return set(await fetch_column(uuid.UUID, SQL["list_partners_with_saved_method"], today, list(partners)))


# ------------------------------------------------------------------ what finance staff look at
async def list_stuck_commands(limit: int = 200, state: str = "", sort: str = "") -> list[StuckCommand]:
    """Return the commands that failed, or are not done after ten minutes, and that nobody has given up; oldest first."""
    return await fetch_rows(StuckCommand, SQL["list_stuck_commands"], clock.now() - STUCK_AFTER, limit, state, sort)


async def list_lost_events(limit: int = 50, sort: str = "") -> list[LostEvent]:
    """Return the events of the last week that no webhook brought in time, in an order of `LOST_BY`, the latest first."""
    sql = f"{SQL['list_lost_events']} ORDER BY {LOST_BY.get(sort, LOST_BY[''])}, id LIMIT $2"
    return await fetch_rows(LostEvent, sql, clock.now() - LOST_SHOWN_FOR, limit)


async def count_errors() -> ErrorCounts:
    """Count the faults between us and Stripe: stuck commands, lost and unhandled events."""
    counts = await fetch_row(ErrorCounts, SQL["count_errors"], clock.now() - STUCK_AFTER)
    assert counts, "a count is one row"
    return counts
