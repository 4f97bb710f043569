"""Sending commands to Stripe, outside any transaction: the call of each verb, and what to write from its answer.

A worker may die between any two lines: the next one to claim the command makes the same call under the same key. If
Stripe has forgotten a key, or answers it with a saved failure, the effect is looked for before a call under a fresh
key. Each step of a command has its own key, made of the command's id.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import random
import uuid
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_scalar, select, transaction
from marketplace.core.tracing import carried_by, under
from marketplace.money.payments import outbox, rules
from marketplace.money.payments.outbox import find_command
from marketplace.money.payments.queries import SQL
from marketplace.money.payments.statuses import (
    fall_back_to_page,
    lock_payment,
    next_reading,
    record_payment,
    record_saved_method,
)
from marketplace.money.payments.stripe_port import DecidedError, DeclinedError, SilentError, StripePort
from marketplace.money.payments.tables import Payer, Payment, SavedMethod, StripeCommand

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from marketplace.money.payments.outbox import Command
    from marketplace.money.payments.rules import PaymentStatus

BATCH_SIZE: Final = 5
CLOCKS_DIFFER: Final = dt.timedelta(hours=1)
"""How far before a command its effect is looked for: our clock is not Stripe's."""


class FirstError(SilentError):
    """Another command has to be carried out first."""

    def __init__(self, command: uuid.UUID) -> None:
        """Store the other command."""
        super().__init__("What it needs at Stripe does not exist yet.")
        self.command = command


class WaitError(SilentError):
    """It waits for money to move, and finance sees the reason."""


class ShortBalanceError(WaitError):
    """Stripe's available balance does not cover a transfer yet."""

    def __init__(self, amount_minor: int, available_minor: int, *, was_refused: bool = False) -> None:
        """Name both amounts, in cents; a refusal is saved under its key, so the next try needs a fresh one."""
        amounts = f"{amount_minor / 100:.2f} EUR to transfer, {available_minor / 100:.2f} EUR available at Stripe"
        super().__init__(f"It waits for money: {amounts}.", is_replayed=was_refused)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a call: its object, and what to write inside the transaction that ends the command."""

    object_id: str | None
    write: Callable[[], Awaitable[object]] | None = None
    error: str | None = None
    """Why the command still failed permanently."""


class PaidFor(Struct, frozen=True):
    """The payer of a payment, its state, and its ids at Stripe."""

    payer: uuid.UUID | None
    state: str
    session_id: str | None
    payment_intent_id: str | None


# ------------------------------------------------------------------ workers
async def run_commands() -> int:
    """Carry out every command that is due, and return how many were tried; any number of workers may."""
    tried = 0
    while claimed := await outbox.claim(BATCH_SIZE):
        async with StripePort() as port:
            await asyncio.gather(*(_traced(port, command) for command in claimed))
        tried += len(claimed)
    return tried


async def run_command(command_id: uuid.UUID) -> str:
    """Carry out one command now, unless a worker has it, and return its state."""
    for command in await outbox.claim(1, command_id):
        async with StripePort() as port:
            await _traced(port, command)
    return await outbox.state_of(command_id)


async def _traced(port: StripePort, command: Command) -> None:
    await under(f"Stripe {command.verb}", carried_by(command.call()), _carry_out(port, command))


async def _carry_out(port: StripePort, command: Command) -> None:
    """Call Stripe for one claimed command and record the result."""
    try:
        outcome = await _call(port, command)
    except SilentError as silence:
        wait = rules.wait(command.attempts, random.random())  # noqa: S311 (spreads retries; keeps no secret)
        if isinstance(silence, WaitError):
            wait = rules.BALANCE_IS_READ_AGAIN_AFTER
        await outbox.try_again(command, str(silence), wait, fresh_key=silence.is_replayed)
        return
    except DecidedError as refusal:
        if command.verb == "checkout" and refusal.param == "expires_at":
            # The requested hour has passed: Stripe's own day counts, and when the order lapses, it is expired.
            parameters = {name: value for name, value in command.call().items() if name != "expires_at"}
            now = dt.timedelta(0)
            await outbox.try_again(command, str(refusal), now, fresh_key=True, parameters=parameters)
            return
        outcome = Outcome(None, error=str(refusal))
    async with transaction():
        if outcome.write is not None:
            await outcome.write()
        if outcome.error is not None:
            await outbox.mark_failed(command, outcome.error)
        else:
            await outbox.mark_done(command, outcome.object_id)


async def _call(port: StripePort, command: Command) -> Outcome:
    try:
        return await CALLS[command.verb](port, command)
    except FirstError as first:
        await run_command(first.command)
        return await CALLS[command.verb](port, command)


# ------------------------------------------------------------------ verbs
async def checkout(port: StripePort, command: Command) -> Outcome:
    """Open a hosted page for a payment."""
    reading, parameters = await next_reading(), command.call()
    payer = (await _payment_of(command)).payer
    if payer is not None:
        del parameters["customer_email"]
        parameters["customer"] = await _customer_of(payer)
    status = await port.find_session_of(command.id, _since(command)) if _must_look(command) else None
    status = status or await port.create_session(parameters, _key(command))
    return Outcome(status.session_id, partial(record_payment, status, reading))


async def setup(port: StripePort, command: Command) -> Outcome:
    """Open a hosted page where a payment method is saved."""
    reading = await next_reading()
    payer = await fetch_scalar(
        uuid.UUID, SavedMethod.select(SavedMethod.payer).where(SavedMethod.id == command.subject)
    )
    assert payer, "a saved method's command was written with it"
    parameters = command.call() | {"customer": await _customer_of(payer)}
    status = await port.find_setup_of(command.id, _since(command)) if _must_look(command) else None
    status = status or await port.create_setup(parameters, _key(command))
    return Outcome(status.session_id, partial(record_saved_method, status, reading))


async def customer(port: StripePort, command: Command) -> Outcome:
    """Make a partner a customer."""
    made = await port.find_customer_of(command.id, _since(command)) if _must_look(command) else None
    made = made or await port.create_customer(command.call(), _key(command))
    return Outcome(made, partial(_record_customer, command.subject, made))


async def _record_customer(partner: uuid.UUID, customer_id: str) -> None:
    await Payer.update({Payer.customer_id: customer_id}).where(Payer.partner == partner)


async def charge(port: StripePort, command: Command) -> Outcome:
    """Charge a saved method, or await a bank transfer; if refused, give it up permanently and request a page."""
    reading, parameters = await next_reading(), command.call()["charge"]
    if "customer" not in parameters and (payer := (await _payment_of(command)).payer):
        parameters["customer"] = await _customer_of(payer)
    try:
        status = None
        if _must_look(command):
            status = await port.find_intent_of(command.id, parameters["customer"], _since(command))
        status = status or await port.charge(parameters, _key(command))
    except DeclinedError as declined:
        status = declined.intent
    except DecidedError as refusal:
        return Outcome(None, partial(_page_instead, command.subject, refusal.code or "refused"))
    if status.transfer or status.intent_status in ("succeeded", "processing", "requires_capture"):
        return Outcome(status.intent_id, partial(_record_charge, status, reading))
    assert status.intent_id, "an attempt has an intent"
    await _cancel(port, status.intent_id, f"{_key(command)}:cancel")  # Nobody can confirm it any more.
    return Outcome(status.intent_id, partial(_page_instead, command.subject, status.refusal or "declined"))


async def _record_charge(status: PaymentStatus, reading: int) -> None:
    is_first = (
        Payment.subject == status.subject,
        Payment.payment_intent_id.is_null(),
        Payment.session_id.is_null(),
    )
    await Payment.update({Payment.payment_intent_id: status.intent_id}).where(*is_first)
    await record_payment(status, reading)


async def _page_instead(subject: uuid.UUID, why: str) -> None:
    payment = await lock_payment(subject)
    assert payment, "a command's payment was written with it"
    if payment.state == "requested":
        await fall_back_to_page(payment, why)


async def capture(port: StripePort, command: Command) -> Outcome:
    """Capture an authorised amount; a captured one is not captured again, a released one fails."""
    intent = (await _payment_of(command)).payment_intent_id
    assert intent, "what is authorised has an intent"
    assert command.amount_minor, "a capture says how much"
    reading, error = await next_reading(), None
    try:
        status = await port.capture(intent, command.amount_minor, _key(command))
    except DecidedError as refusal:
        status = await port.get_intent(intent)
        error = None if status.is_paid else str(refusal)
    return Outcome(intent, partial(record_payment, status, reading), error)


async def release(port: StripePort, command: Command) -> Outcome:
    """Release a deposit: close its page, or release its authorisation."""
    payment = await _payment_of(command)
    if payment.state == "requested":
        raise SilentError("What is to be released does not exist yet.")
    reading, intent = await next_reading(), payment.payment_intent_id
    if payment.session_id is not None:
        status = await _close_page(port, payment.session_id, _key(command))
        if status.intent_status != "requires_capture":
            return Outcome(status.session_id, partial(record_payment, status, reading))
        intent = status.intent_id
    assert intent, "what is authorised has an intent"
    status = await _cancel(port, intent, f"{_key(command)}:cancel")
    if payment.session_id is not None:
        status = await port.get_session(payment.session_id)
    return Outcome(intent, partial(record_payment, status, reading))


async def expire_session(port: StripePort, command: Command) -> Outcome:
    """Close every way to pay: close the page, and cancel the awaited bank transfer."""
    payment = await _payment_of(command)
    if payment.session_id is None:
        if payment.state == "requested":
            raise SilentError("The page to expire does not exist yet.")
        if payment.state != "processing" or payment.payment_intent_id is None:
            return Outcome(None)
        reading = await next_reading()  # A bank transfer without a page.
        status = await _cancel(port, payment.payment_intent_id, f"{_key(command)}:cancel")
        expired = replace(status, session_status="expired")
        return Outcome(status.intent_id, partial(record_payment, expired, reading))
    reading = await next_reading()
    status = await _close_page(port, payment.session_id, _key(command))
    if status.transfer and status.intent_id:
        await _cancel(port, status.intent_id, f"{_key(command)}:cancel")
        reading = await next_reading()
        status = await port.get_session(payment.session_id)
    return Outcome(status.session_id, partial(record_payment, status, reading))


async def refund(port: StripePort, command: Command) -> Outcome:
    """Refund a payment, and read what remains."""
    parameters = command.call()
    made = await port.find_refund_of(command.id, parameters["payment_intent"]) if _must_look(command) else None
    made = made or await port.refund(parameters, _key(command))
    reading = await next_reading()
    session = (await _payment_of(command)).session_id
    status = await (port.get_session(session) if session else port.get_intent(parameters["payment_intent"]))
    return Outcome(made, partial(record_payment, status, reading))


async def forget(port: StripePort, command: Command) -> Outcome:
    """Forget a saved method."""
    method = await fetch_scalar(str, SavedMethod.select(SavedMethod.method_id).where(SavedMethod.id == command.subject))
    assert method, "what is forgotten was saved"
    try:
        await port.detach(method, _key(command))
    except DecidedError:
        if await port.is_attached(method):
            raise
    return Outcome(method)


async def account(port: StripePort, command: Command) -> Outcome:
    """Make a connected account for a person who receives payouts."""
    made = await port.find_account_of(command.id, _since(command)) if _must_look(command) else None
    return Outcome(made or await port.create_account(command.call(), _key(command)))


async def transfer(port: StripePort, command: Command) -> Outcome:
    """Pay a connected account once the available balance covers it; only another refusal fails."""
    parameters, amount = command.call(), command.amount_minor
    assert amount, "a transfer says how much"
    made = await port.find_transfer_of(command.id, parameters["transfer_group"]) if _must_look(command) else None
    if made is None and amount > (available := await port.set_aside(amount)):
        raise ShortBalanceError(amount, available)
    try:
        return Outcome(made or await port.transfer(parameters, _key(command)))
    except DecidedError as refusal:
        if refusal.code == "balance_insufficient":
            raise ShortBalanceError(amount, await port.available_minor(), was_refused=True) from refusal
        raise


async def close_account(port: StripePort, command: Command) -> Outcome:
    """Delete a connected account once nothing more is paid there, and its owner has received its balance."""
    made = StripeCommand.select(StripeCommand.object_id).where(StripeCommand.id == command.subject)
    if (account_id := await fetch_scalar(str, made)) is None:
        raise FirstError(command.subject)
    if await fetch_scalar(bool, SQL["is_being_paid"], account_id):
        raise WaitError("A transfer to the account is under way.")
    if left := await port.money_in(account_id):
        raise WaitError(f"{left / 100:.2f} EUR are in the account: Stripe pays its owner first.")
    await port.delete_account(account_id)
    return Outcome(account_id)


CALLS: Final[dict[str, Callable[[StripePort, Command], Awaitable[Outcome]]]] = {
    "account": account,
    "capture": capture,
    "charge": charge,
    "checkout": checkout,
    "close_account": close_account,
    "customer": customer,
    "expire_session": expire_session,
    "forget": forget,
    "refund": refund,
    "release": release,
    "setup": setup,
    "transfer": transfer,
}
"""The call to Stripe for each verb of a command."""


# ------------------------------------------------------------------ steps
async def _close_page(port: StripePort, session_id: str, key: str) -> PaymentStatus:
    """Close a hosted page and return its payment's status; a page that is not open was paid or expired before."""
    try:
        return await port.expire_session(session_id, key)
    except DecidedError:
        return await port.get_session(session_id)


async def _cancel(port: StripePort, intent_id: str, key: str) -> PaymentStatus:
    """Cancel a payment and return its status; one that cannot be cancelled is paid, or was cancelled before."""
    try:
        return await port.cancel(intent_id, key)
    except DecidedError:
        return await port.get_intent(intent_id)


async def _payment_of(command: Command) -> PaidFor:
    payment = await fetch_row(PaidFor, select(PaidFor, Payment).where(Payment.subject == command.subject))
    assert payment, "a command's payment was written with it"
    return payment


async def _customer_of(payer: uuid.UUID) -> str:
    found = await fetch_scalar(str, Payer.select(Payer.customer_id).where(Payer.partner == payer))
    if found is None:
        command = await find_command(payer, "customer")
        assert command, "a payer's customer is asked for with it"
        raise FirstError(command)
    return found


def _must_look(command: Command) -> bool:
    """Return whether Stripe may have carried the command out and forgotten its key, or will never answer to it."""
    assert command.first_tried_at, "a claimed command was tried"
    is_old = command.first_tried_at + rules.KEYS_ARE_OLD_AFTER <= clock.now()
    return command.generation > 0 or is_old


def _key(command: Command) -> str:
    return rules.key_of(command.id, command.generation)


def _since(command: Command) -> dt.datetime:
    return command.created_at - CLOCKS_DIFFER
