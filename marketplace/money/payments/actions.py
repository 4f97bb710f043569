"""Payments: requests to Stripe, each a command committed with the business change that requires it.

An effect at Stripe has three steps: commit the command → call with the command's id as idempotency key, outside any
transaction → record the outcome. This module does the first step; `stripe_calls` does the others.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, Unpack

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_row, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound, existing
from marketplace.money.payments import rules
from marketplace.money.payments.outbox import CommandFacts, find_command, write_command
from marketplace.money.payments.queries import find_saved_method
from marketplace.money.payments.rules import Page
from marketplace.money.payments.statuses import lock_payment
from marketplace.money.payments.tables import Payer, Payment, SavedMethod, StripeCommand
from marketplace.people.identity.queries import find_company
from pricing.money import EUR

if TYPE_CHECKING:
    from marketplace.core.database import Values
    from marketplace.money.payments.queries import PaymentRow
    from marketplace.money.payments.rules import AmountDue


class LastPage(Struct, frozen=True):
    """The command for the latest page of a payment, done or not; `parameters` is JSON."""

    verb: str
    parameters: str


# ------------------------------------------------------------------ a hosted page
async def request_payment(
    subject: uuid.UUID, *, transfer_from: uuid.UUID | None = None, **owed: Unpack[AmountDue]
) -> uuid.UUID:
    """Request a hosted page where `subject` can be paid, and return the command's id.

    A repeated request returns the first one's.

    transfer_from: the partner who may also pay by bank transfer.
    """
    page, (amount_minor, currency) = _page(owed)
    async with transaction():
        if transfer_from is not None:
            await _request_customer(transfer_from, page.email)
        if not await _write_payment(subject, transfer_from, amount_minor, currency, "automatic"):
            return await _command_of(subject)
        command = uuid.uuid4()
        methods = rules.METHODS if transfer_from is None else (*rules.METHODS, "customer_balance")
        parameters = rules.page_parameters(subject, command, page, currency=currency, methods=methods)
        await write_command(command, "checkout", subject, parameters, clock.now())
    return command


async def request_page_again(subject: uuid.UUID, *, expires_at: dt.datetime) -> uuid.UUID:
    """Request another hosted page, like the first, for a payment whose page expired or failed; return the command's id.

    A payment that still has a page, or needs none, keeps its command.
    """
    async with transaction():
        payment = await _get_locked(subject)
        if payment.state not in ("expired", "failed"):
            return await _command_of(subject)
        parameters = await _last_page_of(subject)
        command = uuid.uuid4()
        parameters["metadata"]["command"] = str(command)
        parameters["payment_intent_data"]["metadata"]["command"] = str(command)
        parameters["expires_at"] = int(expires_at.timestamp())
        asked_anew: Values = {
            Payment.state: "requested",
            Payment.session_id: None,
            Payment.checkout_url: None,
            Payment.payment_intent_id: None,
            Payment.charge_id: None,
            Payment.method: None,
            Payment.transfer: None,
        }
        await Payment.update(asked_anew).where(Payment.subject == subject)
        await write_command(command, "checkout", subject, parameters, clock.now())
    return command


async def request_expiry(subject: uuid.UUID) -> uuid.UUID:
    """Close every way to pay `subject`, and return the command's id; repeated for one page, the first one's."""
    async with transaction():
        await _get_locked(subject)
        opening = StripeCommand.id == await _command_of(subject)
        page = await fetch_scalar(dt.datetime, StripeCommand.select(StripeCommand.created_at).where(opening))
        of_this_page = (
            StripeCommand.subject == subject,
            StripeCommand.verb == "expire_session",
            StripeCommand.created_at >= page,
            StripeCommand.state != "failed",
        )
        known = await fetch_scalar(uuid.UUID, StripeCommand.select(StripeCommand.id).where(*of_this_page))
        command = known or uuid.uuid4()
        if known is None:
            await write_command(command, "expire_session", subject, {}, clock.now())
    return command


# ------------------------------------------------------------------ refunds
async def request_refund(subject: uuid.UUID, *, amount_minor: int, refund_id: uuid.UUID) -> None:
    """Request a refund; `refund_id` is the command's id, so that a repeated request refunds once.

    amount_minor: 0 < amount ≤ the received amount less refunds. Refuses an unpaid payment, a refund while another is
    under way, and an id of another command.
    """
    async with transaction():
        payment = await _get_locked(subject)
        known = await fetch_row(CommandFacts, select(CommandFacts, StripeCommand).where(StripeCommand.id == refund_id))
        if known is not None:
            if (known.verb, known.subject, known.amount_minor) != ("refund", subject, amount_minor):
                raise Conflict("That refund was asked for before, of another payment or amount; reload the page.")
            return
        left = payment.received_minor - payment.refunded_minor
        if payment.state not in ("paid", "refunded") or left == 0:
            raise Conflict("That payment cannot be refunded: it is not paid.")
        if not 0 < amount_minor <= left:
            raise Invalid("That is not between one cent and what was paid.")
        under_way = (StripeCommand.subject == subject, StripeCommand.verb == "refund", StripeCommand.state == "pending")
        if await StripeCommand.exists().where(*under_way):
            raise Conflict("A refund of that payment is already under way.")
        parameters = {
            "payment_intent": payment.payment_intent_id,
            "amount": amount_minor,
            "metadata": {"subject": str(subject), "command": str(refund_id)},
        }
        await write_command(refund_id, "refund", subject, parameters, clock.now(), amount_minor=amount_minor)


# ------------------------------------------------------------------ saved methods
async def request_saved_method(
    partner: uuid.UUID, *, saved_id: uuid.UUID, email: str, success_url: str, cancel_url: str, locale: str
) -> uuid.UUID:
    """Request a hosted page where a partner saves a card or account for later; return the command's id, `saved_id`."""
    async with transaction():
        await _request_customer(partner, email)
        now = clock.now()
        new = SavedMethod(id=saved_id, payer=partner, requested_at=now)
        is_new = (
            await SavedMethod.insert(new)
            .on_conflict(action="DO NOTHING", target=SavedMethod.id)
            .returning(SavedMethod.id)
        )
        if not is_new:
            by_id = SavedMethod.select(SavedMethod.payer).where(SavedMethod.id == saved_id)
            if await fetch_scalar(uuid.UUID, by_id) != partner:
                raise Conflict("That form was sent before, by another company; reload the page.")
        parameters = rules.setup_parameters(saved_id, success_url=success_url, cancel_url=cancel_url, locale=locale)
        await write_command(saved_id, "setup", saved_id, parameters, now)
    return saved_id


async def request_forgetting(partner: uuid.UUID, saved_id: uuid.UUID) -> uuid.UUID | None:
    """Forget a partner's saved method, here at once and at Stripe; return the command's id, None if it is not saved."""
    async with transaction():
        saved = (SavedMethod.id == saved_id, SavedMethod.payer == partner, SavedMethod.state == "saved")
        forget = SavedMethod.update({SavedMethod.state: "forgotten"}).where(*saved)
        if not await forget.returning(SavedMethod.id):
            return None
        command = uuid.uuid4()
        await write_command(command, "forget", saved_id, {}, clock.now())
    return command


# ------------------------------------------------------------------ charges and deposits off session
async def request_charge(subject: uuid.UUID, partner: uuid.UUID, **owed: Unpack[AmountDue]) -> uuid.UUID:
    """Charge a partner's saved method off session; return the command's id; a repeated request returns the first one's.

    If the bank refuses or requires the payer, or no valid method is saved, a hosted page is requested instead.
    """
    page, amount = _page(owed)
    return await _request_off_session(subject, partner, amount, page, "charge")


async def request_transfer(subject: uuid.UUID, partner: uuid.UUID, **owed: Unpack[AmountDue]) -> uuid.UUID:
    """Await a bank transfer at Stripe, and return the command's id; if Stripe refuses, a hosted page follows."""
    page, amount = _page(owed)
    return await _request_off_session(subject, partner, amount, page, "transfer")


async def request_deposit(
    subject: uuid.UUID,
    partner: uuid.UUID,
    *,
    amount_minor: int,
    currency: str = EUR,
    text: str,
    email: str,
    success_url: str,
    cancel_url: str,
    locale: str,
    expires_at: dt.datetime,
) -> uuid.UUID:
    """Authorise an amount on a partner's card, to be captured or released; return the command's id.

    It uses the saved card off session, or a hosted page if there is no card or its bank refuses.
    """
    lines = [rules.Line(text, amount_minor)]
    rules.check_amount(amount_minor, lines)
    page = Page(lines, email, success_url, cancel_url, locale, expires_at)
    return await _request_off_session(subject, partner, (amount_minor, currency), page, "deposit")


async def capture_deposit(subject: uuid.UUID, *, amount_minor: int) -> uuid.UUID:
    """Capture an authorised deposit, or a part of it; the rest is released. Return the command's id; once a deposit.

    Refuses a deposit that is not (or no longer) authorised, a released one, and an amount above it.
    """
    async with transaction():
        payment = await _get_locked(subject)
        known = await find_command(subject, "capture")
        if known is not None:
            return known
        if payment.state != "authorised" or payment.capture != "manual":
            raise Conflict("That deposit is not authorised.")
        if await find_command(subject, "release"):
            raise Conflict("That deposit was released.")
        if not 0 < amount_minor <= payment.amount_minor:
            raise Invalid("That is not between one cent and the deposit.")
        command = uuid.uuid4()
        await write_command(command, "capture", subject, {}, clock.now(), amount_minor=amount_minor)
    return command


async def release_deposit(subject: uuid.UUID) -> uuid.UUID | None:
    """Release a deposit in any state; return the command's id, None if nothing is authorised. Once a deposit."""
    async with transaction():
        payment = await _get_locked(subject)
        known = await find_command(subject, "release")
        if known is not None or payment.state not in ("requested", "open", "authorised"):
            return known
        if await find_command(subject, "capture"):
            raise Conflict("That deposit was captured.")
        command = uuid.uuid4()
        await write_command(command, "release", subject, {}, clock.now())
    return command


async def _request_off_session(
    subject: uuid.UUID, partner: uuid.UUID, owed: tuple[int, str], page: Page, way: str
) -> uuid.UUID:
    """Request a payment without its payer, in a way: `charge`, `deposit` or `transfer`."""
    (amount_minor, currency), is_manual = owed, way == "deposit"
    methods = ("card",) if is_manual else rules.METHODS
    async with transaction():
        await _request_customer(partner, page.email)
        if not await _write_payment(subject, partner, amount_minor, currency, "manual" if is_manual else "automatic"):
            return await _command_of(subject)
        now, command = clock.now(), uuid.uuid4()
        saved = None if way == "transfer" else await find_saved_method(partner, kinds=methods)
        hosted = uuid.uuid4() if saved or way == "transfer" else command
        parameters = rules.page_parameters(
            subject, hosted, page, currency=currency, methods=methods, is_manual=is_manual
        )
        if hosted == command:
            await write_command(command, "checkout", subject, parameters, now)
            return command
        by = (saved.customer_id or "", saved.method_id or "", saved.kind or "") if saved else None
        asked = (owed, page.lines[0].text)
        charge = rules.charge_parameters(subject, command, *asked, by=by, is_manual=is_manual)
        await write_command(command, "charge", subject, {"charge": charge, "page": parameters}, now)
    return command


# ------------------------------------------------------------------ what they share
def _page(owed: AmountDue) -> tuple[Page, tuple[int, str]]:
    """Return the content of a hosted page, and the amount with its currency; refuses what Stripe cannot charge."""
    rules.check_amount(owed["amount_minor"], owed["lines"])
    page = Page(**{name: owed[name] for name in Page.__slots__})  # type: ignore[literal-required]
    return page, (owed["amount_minor"], owed.get("currency", EUR))


async def _write_payment(
    subject: uuid.UUID, payer: uuid.UUID | None, amount_minor: int, currency: str, capture: str
) -> bool:
    """Write a debt, unless it exists; return whether this call did. Refuses an id of a debt for something else.

    Ids come with forms, so an order may be requested with the id of a deposit: that deposit must not pay it.
    """
    new = Payment(
        subject=subject,
        payer=payer,
        amount_minor=amount_minor,
        currency=currency,
        capture=capture,
        requested_at=clock.now(),
    )
    if await Payment.insert(new).on_conflict(action="DO NOTHING", target=Payment.subject).returning(Payment.subject):
        return True
    owed = (Payment.amount_minor == amount_minor) & (Payment.currency == currency) & (Payment.capture == capture)
    if not await Payment.exists().where(Payment.subject == subject, owed):
        raise Conflict("That form asked for another payment before; go back, reload the page and try again.")
    return False


async def _request_customer(partner: uuid.UUID, email: str) -> None:
    """Request that a partner become a customer at Stripe, once."""
    now = clock.now()
    new = Payer(partner=partner, asked_at=now)
    if await Payer.insert(new).on_conflict(action="DO NOTHING", target=Payer.partner).returning(Payer.partner):
        command = uuid.uuid4()
        named = {"partner": str(partner), "command": str(command)}
        parameters = {"name": await find_company(partner), "email": email, "metadata": named}
        await write_command(command, "customer", partner, parameters, now)


async def _get_locked(subject: uuid.UUID) -> PaymentRow:
    return existing(await lock_payment(subject), NotFound("There is no payment {subject}.", subject=subject))


async def _last_page_of(subject: uuid.UUID) -> dict[str, Any]:
    """Return the command for the latest page of a payment, done or not."""
    pages = (StripeCommand.subject == subject, StripeCommand.verb.is_in(["checkout", "charge"]))
    latest_first = (
        select(LastPage, StripeCommand)
        .where(*pages)
        .order_by(StripeCommand.created_at, ascending=False)
        .order_by(StripeCommand.id)
    )
    last = await fetch_row(LastPage, latest_first.limit(1))
    assert last, "a payment's command was written with it"
    parameters: dict[str, Any] = json.loads(last.parameters)
    return dict(parameters["page"]) if last.verb == "charge" else parameters


async def _command_of(subject: uuid.UUID) -> uuid.UUID:
    """Return the latest command that makes a payment."""
    command = await find_command(subject, "checkout", "charge")
    assert command, "a payment's command was written with it"
    return command
