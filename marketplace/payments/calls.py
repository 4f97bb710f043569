"""What each verb of a command asks Stripe, outside any transaction, and what is to be written of the answer.

Whatever may have been done under a key that Stripe has forgotten, or answers with a saved failure, is looked for
before it is asked again under a fresh one. Steps of one command have keys of their own, made of its id.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock
from marketplace.database import execute, fetch_one, fetch_value
from marketplace.payments import rules
from marketplace.payments.intents import find_command
from marketplace.payments.standing import apply, apply_kept, fall_back, next_reading
from marketplace.payments.stripe_port import DecidedError, DeclinedError, SilentError, StripePort

if TYPE_CHECKING:
    import uuid
    from collections.abc import Awaitable, Callable

    import asyncpg

    from marketplace.payments.rules import Standing

CLOCKS_DIFFER: Final = dt.timedelta(hours=1)
"""How far back before an intent its effect is looked for: our clock is not Stripe's."""


class FirstError(SilentError):
    """Another command has to be carried out first."""

    def __init__(self, command: uuid.UUID) -> None:
        """Keep which."""
        super().__init__("What it needs at Stripe does not exist yet.")
        self.command = command


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call: the object it is about, and what to write, inside the transaction that ends the command."""

    object_id: str | None
    write: Callable[[], Awaitable[object]] | None = None
    error: str | None = None
    """Why the command failed all the same, for good."""


async def checkout(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Open a hosted page for a payment."""
    reading, parameters = await next_reading(), parameters_of(command)
    payer = await fetch_value("SELECT payer FROM payment WHERE subject = $1", command["subject"])
    if payer is not None:
        del parameters["customer_email"]
        parameters["customer"] = await _customer_of(payer)
    told = await port.find_session_of(command["id"], _since(command)) if _must_look(command) else None
    told = told or await port.create_session(parameters, _key(command))
    return Outcome(told.session_id, partial(apply, told, reading))


async def setup(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Open a hosted page that keeps a payment method."""
    reading = await next_reading()
    payer = await fetch_value("SELECT payer FROM saved_method WHERE id = $1", command["subject"])
    parameters = parameters_of(command) | {"customer": await _customer_of(payer)}
    told = await port.find_setup_of(command["id"], _since(command)) if _must_look(command) else None
    told = told or await port.create_setup(parameters, _key(command))
    return Outcome(told.session_id, partial(apply_kept, told, reading))


async def customer(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Make a partner a customer."""
    made = await port.find_customer_of(command["id"], _since(command)) if _must_look(command) else None
    made = made or await port.create_customer(parameters_of(command), _key(command))
    write = partial(execute, "UPDATE payer SET customer_id = $2 WHERE partner = $1", command["subject"], made)
    return Outcome(made, write)


async def charge(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Charge a saved method; where its bank refuses, give that attempt up for good and ask for a hosted page."""
    reading, parameters = await next_reading(), parameters_of(command)["charge"]
    try:
        told = None
        if _must_look(command):
            told = await port.find_intent_of(command["id"], parameters["customer"], _since(command))
        told = told or await port.charge(parameters, _key(command))
    except DeclinedError as declined:
        told = declined.intent
    except DecidedError as refusal:
        return Outcome(None, partial(_page_instead, command["subject"], refusal.code or "refused"))
    if told.intent_status in ("succeeded", "processing", "requires_capture"):
        return Outcome(told.intent_id, partial(_charged, told, reading))
    assert told.intent_id, "an attempt has an intent"
    await _cancelled(port, told.intent_id, f"{_key(command)}:cancel")  # Nobody can confirm it any more.
    return Outcome(told.intent_id, partial(_page_instead, command["subject"], told.refusal or "declined"))


async def _charged(told: Standing, reading: int) -> None:
    await execute(
        """UPDATE payment SET payment_intent_id = $2
           WHERE subject = $1 AND payment_intent_id IS NULL AND session_id IS NULL""",
        told.subject, told.intent_id,
    )  # fmt: skip
    await apply(told, reading)


async def _page_instead(subject: uuid.UUID, why: str) -> None:
    payment = await fetch_one("SELECT * FROM payment WHERE subject = $1 FOR UPDATE", subject)
    assert payment, "a command's payment was written with it"
    if payment["state"] == "requested":
        await fall_back(payment, why)


async def capture(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Take an authorised amount; what was taken before is not taken again, what was let go fails."""
    intent = await fetch_value("SELECT payment_intent_id FROM payment WHERE subject = $1", command["subject"])
    reading, error = await next_reading(), None
    try:
        told = await port.capture(intent, parameters_of(command)["amount_minor"], _key(command))
    except DecidedError as refusal:
        told = await port.get_intent(intent)
        error = None if told.is_paid else str(refusal)
    return Outcome(intent, partial(apply, told, reading), error)


async def release(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Let a deposit go: close its page, or give its authorisation back."""
    payment = await fetch_one("SELECT * FROM payment WHERE subject = $1", command["subject"])
    assert payment, "a command's payment was written with it"
    if payment["state"] == "requested":
        raise SilentError("What is to be let go does not exist yet.")
    reading, intent = await next_reading(), payment["payment_intent_id"]
    if payment["session_id"] is not None:
        told = await _closed(port, payment["session_id"], _key(command))
        if told.intent_status != "requires_capture":
            return Outcome(told.session_id, partial(apply, told, reading))
        intent = told.intent_id
    told = await _cancelled(port, intent, f"{_key(command)}:cancel")
    if payment["session_id"] is not None:
        told = await port.get_session(payment["session_id"])
    return Outcome(intent, partial(apply, told, reading))


async def expire_session(port: StripePort, command: asyncpg.Record) -> Outcome:
    """See to it that nobody can pay any more: close the page, and give up the bank transfer that is awaited."""
    row = await fetch_one("SELECT session_id, state FROM payment WHERE subject = $1", command["subject"])
    assert row, "a command's payment was written with it"
    if row["session_id"] is None:
        if row["state"] == "requested":
            raise SilentError("The page to expire does not exist yet.")
        return Outcome(None)
    reading = await next_reading()
    told = await _closed(port, row["session_id"], _key(command))
    if told.transfer and told.intent_id:
        await _cancelled(port, told.intent_id, f"{_key(command)}:cancel")
        reading = await next_reading()
        told = await port.get_session(row["session_id"])
    return Outcome(told.session_id, partial(apply, told, reading))


async def refund(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Give money back, and read what is then left."""
    parameters = parameters_of(command)
    made = await port.find_refund_of(command["id"], parameters["payment_intent"]) if _must_look(command) else None
    made = made or await port.refund(parameters, _key(command))
    reading = await next_reading()
    session = await fetch_value("SELECT session_id FROM payment WHERE subject = $1", command["subject"])
    told = await (port.get_session(session) if session else port.get_intent(parameters["payment_intent"]))
    return Outcome(made, partial(apply, told, reading))


async def forget(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Forget a saved method."""
    method = await fetch_value("SELECT method_id FROM saved_method WHERE id = $1", command["subject"])
    try:
        await port.detach(method, _key(command))
    except DecidedError:
        if await port.is_kept(method):
            raise
    return Outcome(method)


async def account(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Make somebody who is paid a connected account."""
    made = await port.find_account_of(command["id"], _since(command)) if _must_look(command) else None
    return Outcome(made or await port.create_account(parameters_of(command), _key(command)))


async def transfer(port: StripePort, command: asyncpg.Record) -> Outcome:
    """Pay a connected account."""
    parameters = parameters_of(command)
    made = await port.find_transfer_of(command["id"], parameters["transfer_group"]) if _must_look(command) else None
    return Outcome(made or await port.transfer(parameters, _key(command)))


CALLS: Final[dict[str, Callable[[StripePort, asyncpg.Record], Awaitable[Outcome]]]] = {
    "account": account, "capture": capture, "charge": charge, "checkout": checkout, "customer": customer, "expire_session": expire_session,
    "forget": forget, "refund": refund, "release": release, "setup": setup,
    "transfer": transfer,
}  # fmt: skip


# ------------------------------------------------------------------ steps
async def _closed(port: StripePort, session_id: str, key: str) -> Standing:
    """Close a hosted page and return how it stands; one that is not open was paid or expired before."""
    try:
        return await port.expire_session(session_id, key)
    except DecidedError:
        return await port.get_session(session_id)


async def _cancelled(port: StripePort, intent_id: str, key: str) -> Standing:
    """Give a payment up and return how it stands; one that cannot be is paid, or was given up before."""
    try:
        return await port.cancel(intent_id, key)
    except DecidedError:
        return await port.get_intent(intent_id)


async def _customer_of(payer: uuid.UUID) -> str:
    found: str | None = await fetch_value("SELECT customer_id FROM payer WHERE partner = $1", payer)
    if found is None:
        command = await find_command(payer, "customer")
        assert command, "a payer's customer is asked for with it"
        raise FirstError(command)
    return found


def _must_look(command: asyncpg.Record) -> bool:
    """Tell whether Stripe may have carried the command out and forgotten its key, or will never answer to it."""
    is_old = bool(command["first_tried_at"] + rules.KEYS_ARE_OLD_AFTER <= clock.now())
    return command["generation"] > 0 or is_old


def _key(command: asyncpg.Record) -> str:
    return rules.key_of(command["id"], command["generation"])


def _since(command: asyncpg.Record) -> dt.datetime:
    created_at: dt.datetime = command["created_at"]
    return created_at - CLOCKS_DIFFER


def parameters_of(command: asyncpg.Record) -> dict[str, Any]:
    """Return what a command says."""
    return dict(json.loads(command["parameters"]))
