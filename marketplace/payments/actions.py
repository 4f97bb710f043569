"""Payments: what may be asked of Stripe, each an intent committed with the business change that wants it.

An effect at Stripe is: commit the intent → call with the intent's id as idempotency key, outside any transaction →
record the outcome. Here is the first step; `commands` and `calls` are the others.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.database import execute, fetch_one, fetch_value, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.payments import rules
from marketplace.payments.intents import find_command, intend
from marketplace.payments.queries import find_saved_method
from marketplace.payments.rules import Page

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import asyncpg

    from marketplace.payments.rules import Line


# ------------------------------------------------------------------ a hosted page
async def request_payment(
    subject: uuid.UUID, *, amount_minor: int, currency: str = "EUR", lines: Sequence[Line], email: str,
    success_url: str, cancel_url: str, locale: str, expires_at: dt.datetime, transfer_from: uuid.UUID | None = None,
) -> uuid.UUID:  # fmt: skip
    """Ask for a hosted page where `subject` can be paid, and return the command's id; asked again, the first one's.

    transfer_from: the partner who may also pay by bank transfer.
    """
    rules.check_amount(amount_minor, lines)
    page = Page(lines, email, success_url, cancel_url, locale, expires_at)
    async with transaction():
        if transfer_from is not None:
            await _be_payer(transfer_from, email)
        if not await _new_payment(subject, transfer_from, amount_minor, currency, "automatic"):
            return await _command_of(subject)
        command = uuid.uuid4()
        methods = rules.METHODS if transfer_from is None else (*rules.METHODS, "customer_balance")
        parameters = rules.page_parameters(subject, command, page, currency=currency, methods=methods)
        await intend(command, "checkout", subject, parameters, clock.now())
    return command


async def request_page_again(subject: uuid.UUID, *, expires_at: dt.datetime) -> uuid.UUID:
    """Ask for another hosted page, like the first, for a payment whose page expired or failed; return the command's id.

    A payment that still has a page, or needs none, keeps its command.
    """
    async with transaction():
        payment = await _held(subject)
        if payment["state"] not in ("expired", "failed"):
            return await _command_of(subject)
        parameters = await _page_of(subject)
        command = uuid.uuid4()
        parameters["metadata"]["command"] = str(command)
        parameters["payment_intent_data"]["metadata"]["command"] = str(command)
        parameters["expires_at"] = int(expires_at.timestamp())
        await execute(
            """UPDATE payment SET state = 'requested', session_id = NULL, checkout_url = NULL, payment_intent_id = NULL,
                      charge_id = NULL, method = NULL, transfer = NULL WHERE subject = $1""",
            subject,
        )
        await intend(command, "checkout", subject, parameters, clock.now())
    return command


async def request_expiry(subject: uuid.UUID) -> uuid.UUID:
    """Ask that nobody can pay `subject` any more, and return the command's id; asked again for a page, the first one's."""
    async with transaction():
        await _held(subject)
        page = await fetch_value(
            "SELECT created_at FROM stripe_command WHERE id = $1", await find_command(subject, "checkout", "charge")
        )
        known = await fetch_value(
            """SELECT id FROM stripe_command WHERE subject = $1 AND verb = 'expire_session' AND created_at >= $2
               AND state <> 'failed'""",
            subject, page,
        )  # fmt: skip
        command = known or uuid.uuid4()
        if known is None:
            await intend(command, "expire_session", subject, {}, clock.now())
    return uuid.UUID(str(command))


# ------------------------------------------------------------------ money back
async def request_refund(subject: uuid.UUID, *, amount_minor: int, refund_id: uuid.UUID) -> None:
    """Ask for money back; `refund_id` is the command's id, so that asking twice for the same refunds once.

    amount_minor: 0 < amount ≤ what was received and is not given back. Refusals: not paid, a refund already under way,
    an id that is another command's.
    """
    async with transaction():
        payment = await _held(subject)
        known = await fetch_one("SELECT verb, subject, parameters FROM stripe_command WHERE id = $1", refund_id)
        if known is not None:
            asked = (known["verb"], known["subject"], json.loads(known["parameters"]).get("amount"))
            if asked != ("refund", subject, amount_minor):
                raise Conflict("That refund was asked for before, of another payment or amount; reload the page.")
            return
        left = payment["received_minor"] - payment["refunded_minor"]
        if payment["state"] not in ("paid", "refunded") or left == 0:
            raise Conflict("That payment cannot be refunded: it is not paid.")
        if not 0 < amount_minor <= left:
            raise Invalid("That is not between one cent and what was paid.")
        if await fetch_one(
            "SELECT 1 FROM stripe_command WHERE subject = $1 AND verb = 'refund' AND state = 'pending'", subject
        ):
            raise Conflict("A refund of that payment is already under way.")
        parameters = {
            "payment_intent": payment["payment_intent_id"],
            "amount": amount_minor,
            "metadata": {"subject": str(subject), "command": str(refund_id)},
        }
        await intend(refund_id, "refund", subject, parameters, clock.now())


# ------------------------------------------------------------------ saved methods
async def request_saved_method(
    partner: uuid.UUID, *, saved_id: uuid.UUID, email: str, success_url: str, cancel_url: str, locale: str,
) -> uuid.UUID:  # fmt: skip
    """Ask for a hosted page where a partner keeps a card or account for later; return the command's id, `saved_id`."""
    async with transaction():
        await _be_payer(partner, email)
        now = clock.now()
        is_new = await execute(
            """INSERT INTO saved_method (id, payer, state, requested_at) VALUES ($1, $2, 'requested', $3)
               ON CONFLICT (id) DO NOTHING""",
            saved_id, partner, now,
        )  # fmt: skip
        if not is_new and await fetch_value("SELECT payer FROM saved_method WHERE id = $1", saved_id) != partner:
            raise Conflict("That form was sent before, by another company; reload the page.")
        parameters = rules.setup_parameters(saved_id, success_url=success_url, cancel_url=cancel_url, locale=locale)
        await intend(saved_id, "setup", saved_id, parameters, now)
    return saved_id


async def request_forgetting(partner: uuid.UUID, saved_id: uuid.UUID) -> uuid.UUID | None:
    """Forget a partner's saved method, here at once and at Stripe; return the command's id, None when it is not saved."""
    async with transaction():
        forgotten = await execute(
            "UPDATE saved_method SET state = 'forgotten' WHERE id = $1 AND payer = $2 AND state = 'saved'",
            saved_id,
            partner,
        )
        if not forgotten:
            return None
        command = uuid.uuid4()
        await intend(command, "forget", saved_id, {}, clock.now())
    return command


# ------------------------------------------------------------------ charges and deposits, while the payer is away
async def request_charge(
    subject: uuid.UUID, partner: uuid.UUID, *, amount_minor: int, currency: str = "EUR", lines: Sequence[Line],
    email: str, success_url: str, cancel_url: str, locale: str, expires_at: dt.datetime,
) -> uuid.UUID:  # fmt: skip
    """Charge a partner's saved method while they are away; return the command's id, and asked again the first one's.

    Where the bank refuses or wants them there, and where nothing valid is saved, a hosted page is asked for instead.
    """
    rules.check_amount(amount_minor, lines)
    page = Page(lines, email, success_url, cancel_url, locale, expires_at)
    return await _request_away(subject, partner, (amount_minor, currency), page, is_manual=False)


async def request_deposit(
    subject: uuid.UUID, partner: uuid.UUID, *, amount_minor: int, currency: str = "EUR", text: str,
    email: str, success_url: str, cancel_url: str, locale: str, expires_at: dt.datetime,
) -> uuid.UUID:  # fmt: skip
    """Have an amount held back on a partner's card, to be captured or let go; return the command's id.

    On the saved card while they are away, or on a hosted page where there is none or its bank refuses.
    """
    lines = [rules.Line(text, amount_minor)]
    rules.check_amount(amount_minor, lines)
    page = Page(lines, email, success_url, cancel_url, locale, expires_at)
    return await _request_away(subject, partner, (amount_minor, currency), page, is_manual=True)


async def capture_deposit(subject: uuid.UUID, *, amount_minor: int) -> uuid.UUID:
    """Take a deposit that is authorised, or a part of it; the rest is let go. Return the command's id; once a deposit.

    Refusals: not authorised (any more), let go already, an amount beyond it.
    """
    async with transaction():
        payment = await _held(subject)
        known = await find_command(subject, "capture")
        if known is not None:
            return known
        if payment["state"] != "authorised" or payment["capture"] != "manual":
            raise Conflict("That deposit is not authorised.")
        if await find_command(subject, "release"):
            raise Conflict("That deposit was let go.")
        if not 0 < amount_minor <= payment["amount_minor"]:
            raise Invalid("That is not between one cent and the deposit.")
        command = uuid.uuid4()
        await intend(command, "capture", subject, {"amount_minor": amount_minor}, clock.now())
    return command


async def release_deposit(subject: uuid.UUID) -> uuid.UUID | None:
    """Let a deposit go, whatever has become of it; return the command's id, None where nothing is held. Once a deposit."""
    async with transaction():
        payment = await _held(subject)
        known = await find_command(subject, "release")
        if known is not None or payment["state"] not in ("requested", "open", "authorised"):
            return known
        if await find_command(subject, "capture"):
            raise Conflict("That deposit was captured.")
        command = uuid.uuid4()
        await intend(command, "release", subject, {}, clock.now())
    return command


async def _request_away(
    subject: uuid.UUID, partner: uuid.UUID, owed: tuple[int, str], page: Page, *, is_manual: bool
) -> uuid.UUID:
    amount_minor, currency = owed
    capture = "manual" if is_manual else "automatic"
    async with transaction():
        await _be_payer(partner, page.email)
        if not await _new_payment(subject, partner, amount_minor, currency, capture):
            return await _command_of(subject)
        now, command = clock.now(), uuid.uuid4()
        saved = await find_saved_method(partner, kinds=("card",) if is_manual else rules.METHODS)
        hosted = uuid.uuid4() if saved else command
        parameters = rules.page_parameters(
            subject,
            hosted,
            page,
            currency=currency,
            methods=("card",) if is_manual else rules.METHODS,
            is_manual=is_manual,
        )
        if saved is None:
            await intend(command, "checkout", subject, parameters, now)
            return command
        charge = rules.charge_parameters(
            subject, command, amount_minor=amount_minor, currency=currency, customer=saved["customer_id"],
            method=saved["method_id"], kind=saved["kind"], text=page.lines[0].text, is_manual=is_manual,
        )  # fmt: skip
        await intend(command, "charge", subject, {"charge": charge, "page": parameters}, now)
    return command


# ------------------------------------------------------------------ what they share
async def _new_payment(
    subject: uuid.UUID, payer: uuid.UUID | None, amount_minor: int, currency: str, capture: str
) -> bool:
    """Write what is owed, unless it was before; tell whether this call did."""
    is_new = await execute(
        """INSERT INTO payment (subject, payer, amount_minor, currency, capture, state, requested_at)
           VALUES ($1, $2, $3, $4, $5, 'requested', $6) ON CONFLICT (subject) DO NOTHING""",
        subject, payer, amount_minor, currency, capture, clock.now(),
    )  # fmt: skip
    return bool(is_new)


async def _be_payer(partner: uuid.UUID, email: str) -> None:
    """Have a partner made a customer at Stripe, once."""
    now = clock.now()
    is_new = await execute(
        "INSERT INTO payer (partner, asked_at) VALUES ($1, $2) ON CONFLICT (partner) DO NOTHING", partner, now
    )
    if is_new:
        command = uuid.uuid4()
        company = await fetch_value("SELECT company FROM partner WHERE id = $1", partner)
        named = {"partner": str(partner), "command": str(command)}
        await intend(command, "customer", partner, {"name": company, "email": email, "metadata": named}, now)


async def _held(subject: uuid.UUID) -> asyncpg.Record:
    payment = await fetch_one("SELECT * FROM payment WHERE subject = $1 FOR UPDATE", subject)
    if payment is None:
        raise NotFound("There is no payment {subject}.", subject=subject)
    return payment


async def _page_of(subject: uuid.UUID) -> dict[str, Any]:
    """Return what made the last page of a payment, or would have."""
    last = await fetch_one(
        """SELECT verb, parameters FROM stripe_command WHERE subject = $1 AND verb IN ('checkout', 'charge')
           ORDER BY created_at DESC, id LIMIT 1""",
        subject,
    )
    assert last, "a payment's command was written with it"
    parameters: dict[str, Any] = json.loads(last["parameters"])
    return dict(parameters["page"]) if last["verb"] == "charge" else parameters


async def _command_of(subject: uuid.UUID) -> uuid.UUID:
    """Return the latest command by which a payment is to be made."""
    command = await find_command(subject, "checkout", "charge")
    assert command, "a payment's command was written with it"
    return command
