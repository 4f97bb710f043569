"""Pure rules of payments: the meaning of a session, when to try again, how a movement of money is posted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

from marketplace.core.errors import Invalid
from marketplace.money.ledger import chart
from pricing.money import EUR

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

SMALLEST_AMOUNT_MINOR: Final = 50
LARGEST_AMOUNT_MINOR: Final = 99_999_999
"""Stripe's own limits of a charge in euros."""
KEYS_ARE_OLD_AFTER: Final = dt.timedelta(hours=23)
"""Stripe forgets an idempotency key after 24 hours: after this long, look before calling."""
LONGEST_WAIT_SECONDS: Final = 900
BALANCE_IS_READ_AGAIN_AFTER: Final = dt.timedelta(minutes=15)
"""How long a transfer waits if Stripe's available balance does not cover it."""
STATES: Final = ("requested", "open", "processing", "failed", "expired", "authorised", "released", "paid", "refunded")
"""A payment only moves to the right; only a request for another page moves a failed or expired one back."""
METHODS: Final = ("card", "sepa_debit")
BANK_TRANSFER: Final[dict[str, Any]] = {
    "funding_type": "bank_transfer",
    "bank_transfer": {"type": "eu_bank_transfer", "eu_bank_transfer": {"country": "FR"}},
}
EVENTS_COME_WITHIN: Final = dt.timedelta(minutes=10)
"""An event older than this that no webhook has brought is lost."""
WEBHOOK_PATH: Final = "/webhooks/stripe"
"""Where the site receives Stripe's webhooks."""
HANDLED_EVENTS: Final = (
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.updated",
    "charge.failed",
    "charge.refunded",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.detached",
    "refund.failed",
    "refund.updated",
)
"""The types of events that are read: the webhook endpoint gets only these, and so does the sweep, because Stripe
limits its list to twenty. Any other event is stored without effect.
"""
THIN: Final = "v1."
"""The prefix of a thin notification's type before the type of its event."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a payment, as the payer reads it."""

    text: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Page:
    """The content of a hosted page: what is paid, who pays, and the addresses to return to."""

    lines: Sequence[Line]
    email: str
    success_url: str
    cancel_url: str
    locale: str
    expires_at: dt.datetime


class AmountDue(TypedDict):
    """A payment's subject, in cents, and the address to return to from its hosted page."""

    amount_minor: int
    currency: NotRequired[str]
    lines: Sequence[Line]
    email: str
    success_url: str
    cancel_url: str
    locale: str
    expires_at: dt.datetime


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """A payment as Stripe shows it now: its hosted page, if it has one, with its payment intent and charge."""

    subject: uuid.UUID | None
    """The payment it is for; None if its reference is not ours."""
    amount_minor: int
    currency: str
    is_paid: bool
    session_id: str | None = None
    session_status: str = ""
    """open, complete or expired; empty without a page."""
    url: str | None = None
    intent_id: str | None = None
    intent_status: str | None = None
    is_manual: bool = False
    refusal: str | None = None
    """Why the bank refused the last attempt, such as `authentication_required`."""
    charge_id: str | None = None
    is_authorised: bool = False
    """The bank agreed to the charge, captured or not."""
    method: str | None = None
    received_minor: int = 0
    refunded_minor: int = 0
    capture_before: dt.datetime | None = None
    transfer: dict[str, Any] | None = None
    """Where to send an awaited bank transfer."""


@dataclass(frozen=True, slots=True)
class SavedMethodStatus:
    """A hosted page where a payment method is saved for later, with the method once it is saved."""

    id: uuid.UUID | None
    session_id: str
    session_status: str
    url: str | None
    is_saved: bool
    method_id: str | None = None
    kind: str | None = None
    brand: str | None = None
    last_four: str | None = None
    ends_on: dt.date | None = None


@dataclass(frozen=True, slots=True)
class DisputeStatus:
    """A dispute as Stripe shows it now."""

    id: str
    charge_id: str
    intent_id: str | None
    amount_minor: int
    currency: str
    reason: str
    status: str
    opened_at: dt.datetime
    due_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction as Stripe lists it."""

    id: str
    category: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    source_id: str | None
    charge_id: str | None
    status: str
    created_at: dt.datetime
    available_on: dt.datetime
    subject: uuid.UUID | None = None
    """For an attempt that brought no money (under way, or not honoured), the payment in its metadata."""


# ------------------------------------------------------------------ what is asked
def check_amount(amount_minor: int, lines: Sequence[Line]) -> None:
    """Refuse amounts that Stripe cannot charge, and lines that do not add up to the amount."""
    if not SMALLEST_AMOUNT_MINOR <= amount_minor <= LARGEST_AMOUNT_MINOR:
        raise Invalid("An amount of {amount} cents cannot be paid online.", amount=amount_minor)
    if any(line.amount_minor < 0 for line in lines) or sum(line.amount_minor for line in lines) != amount_minor:
        raise Invalid("The lines do not add up to {amount} cents.", amount=amount_minor)


def page_parameters(
    subject: uuid.UUID,
    command: uuid.UUID,
    page: Page,
    *,
    currency: str,
    methods: Sequence[str] = METHODS,
    is_manual: bool = False,
) -> dict[str, Any]:
    """Return the parameters that create the hosted page; every object Stripe makes of the payment has its id."""
    named = {"subject": str(subject), "command": str(command)}
    parameters: dict[str, Any] = {
        "mode": "payment",
        "client_reference_id": str(subject),
        "customer_email": page.email,
        "locale": page.locale,
        "success_url": page.success_url,
        "cancel_url": page.cancel_url,
        "expires_at": int(page.expires_at.timestamp()),
        "allowed_payment_method_types": list(methods),
        "metadata": named,
        "payment_intent_data": {"metadata": named} | ({"capture_method": "manual"} if is_manual else {}),
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": currency.lower(),
                    "unit_amount": line.amount_minor,
                    "product_data": {"name": line.text},
                },
            }
            for line in page.lines
            if line.amount_minor
        ],
    }
    if "customer_balance" in methods:
        parameters["payment_method_options"] = {"customer_balance": BANK_TRANSFER}
    return parameters


def setup_parameters(
    saved: uuid.UUID, *, success_url: str, cancel_url: str, locale: str, methods: Sequence[str] = METHODS
) -> dict[str, Any]:
    """Return the parameters of a page to save a payment method; its customer is added when it is sent."""
    named = {"subject": str(saved), "command": str(saved)}
    return {
        "mode": "setup",
        "client_reference_id": str(saved),
        "currency": EUR.lower(),
        "locale": locale,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "allowed_payment_method_types": list(methods),
        "metadata": named,
        "setup_intent_data": {"metadata": named},
    }


def charge_parameters(
    subject: uuid.UUID,
    command: uuid.UUID,
    amount: tuple[int, str],
    text: str,
    *,
    by: tuple[str, str, str] | None,
    is_manual: bool,
) -> dict[str, Any]:
    """Return the parameters to charge a saved method off session, or (`by` None) to await a transfer.

    by: customer, method and its kind. amount: cents and currency. The customer of a transfer is added when it is sent.
    """
    kind = by[2] if by else "customer_balance"
    means: dict[str, Any] = {"payment_method_data": {"type": kind}, "payment_method_options": {kind: BANK_TRANSFER}}
    if by:
        means = {"customer": by[0], "payment_method": by[1], "off_session": True}
        means["capture_method"] = "manual" if is_manual else "automatic"
    return means | {
        "amount": amount[0],
        "currency": amount[1].lower(),
        "allowed_payment_method_types": [kind],
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "confirm": True,
        "description": text,
        "metadata": {"subject": str(subject), "command": str(command)},
    }


def key_of(command: uuid.UUID, generation: int) -> str:
    """Return the idempotency key of a command: its id, followed by its number of fresh keys, if any."""
    return f"{command}:{generation}" if generation else str(command)


def wait(attempts: int, dice: float) -> dt.timedelta:
    """Return how long to wait after this many attempts: 1 s, 2 s, 4 s, … a quarter of an hour, less up to half of it.

    dice: in [0, 1), so that commands that failed together are not retried together.
    """
    return dt.timedelta(seconds=min(2 ** min(attempts - 1, 20), LONGEST_WAIT_SECONDS) * (1 - dice / 2))


# ------------------------------------------------------------------ what is answered
def state_of(status: PaymentStatus) -> str:
    """Return the state of a payment: money decides it, the page's redirect does not."""
    if status.is_paid:
        return "refunded" if status.refunded_minor >= status.received_minor > 0 else "paid"
    if status.is_manual and status.is_authorised:
        return "released" if status.intent_status == "canceled" else "authorised"
    if status.transfer or status.intent_status == "processing":
        return "processing"
    if status.session_status == "expired":
        return "expired"
    is_over = status.session_status != "open" and status.intent_status in ("requires_payment_method", "canceled")
    return "failed" if is_over else "open"


def dispute_state(status: str) -> str:
    """Return the state of a dispute from Stripe's word for it: an inquiry moves no money, with any outcome."""
    if status.startswith("warning_") or status == "prevented":
        return "asked"
    return status if status in ("won", "lost") else "open"


def later(known: str, read: str) -> str:
    """Return the state that is further along."""
    return max(known, read, key=STATES.index)


# ------------------------------------------------------------------ how it is posted
COUNTERPARTS: Final = {
    "charge": chart.PARTNERS,
    "charge_failure": chart.PARTNERS,
    "partial_capture_reversal": chart.PARTNERS,
    "refund": chart.PARTNERS,
    "refund_failure": chart.PARTNERS,
    "dispute": chart.DISPUTES,
    "dispute_reversal": chart.DISPUTES,
    "payout": chart.TRANSFERS,
    "payout_reversal": chart.TRANSFERS,
    "transfer": chart.SUBSCRIBERS_IN_TRANSIT,
    "transfer_reversal": chart.SUBSCRIBERS_IN_TRANSIT,
    "topup": chart.TRANSFERS,
    "topup_reversal": chart.TRANSFERS,
    "fee": chart.STRIPE_FEES,
    "network_cost": chart.STRIPE_FEES,
}
"""Reporting category → the counterpart account to Stripe's. A missing one is never guessed: two people decide it."""


def postings(account: str, amount_minor: int, fee_minor: int) -> list[tuple[str, str, int]]:
    """Return the postings of a movement against its category's account.

    Incoming money debits Stripe's, outgoing credits it.
    """
    return [
        (debit, credit, abs(amount))
        for amount, counterpart in ((amount_minor, account), (-fee_minor, chart.STRIPE_FEES))
        if amount
        for debit, credit in [(chart.STRIPE, counterpart) if amount > 0 else (counterpart, chart.STRIPE)]
    ]
