"""What payments decide without asking: what a session means, when to try again, how a movement of money is posted."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from marketplace.errors import Invalid
from marketplace.ledger import chart

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

SMALLEST_AMOUNT_MINOR: Final = 50
LARGEST_AMOUNT_MINOR: Final = 99_999_999
"""Stripe's own bounds of a charge in euros."""
KEYS_ARE_OLD_AFTER: Final = dt.timedelta(hours=23)
"""Stripe forgets an idempotency key after 24 hours: from here on look before calling."""
LONGEST_WAIT_SECONDS: Final = 900
STATES: Final = ("requested", "open", "failed", "expired", "paid", "refunded")
"""A payment only ever moves to the right."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of what is to be paid, as the payer reads it."""

    text: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Session:
    """A hosted Checkout Session with its payment, as Stripe knows it now."""

    id: str
    subject: uuid.UUID | None
    """The payment it is for; None when its reference is none of ours."""
    command: str | None
    """Id of the command that made it."""
    status: str
    """open, complete or expired."""
    is_paid: bool
    url: str | None
    amount_minor: int
    currency: str
    intent_id: str | None = None
    intent_status: str | None = None
    charge_id: str | None = None
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class Movement:
    """A balance transaction as Stripe tells it."""

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


# ------------------------------------------------------------------ what is asked
def check_amount(amount_minor: int, lines: Sequence[Line]) -> None:
    """Refuse what Stripe cannot charge, and lines that do not add up to the amount."""
    if not SMALLEST_AMOUNT_MINOR <= amount_minor <= LARGEST_AMOUNT_MINOR:
        raise Invalid("An amount of {amount} cents cannot be paid online.", amount=amount_minor)
    if any(line.amount_minor < 0 for line in lines) or sum(line.amount_minor for line in lines) != amount_minor:
        raise Invalid("The lines do not add up to {amount} cents.", amount=amount_minor)


def checkout_parameters(
    subject: uuid.UUID, command: uuid.UUID, *, currency: str, lines: Sequence[Line], email: str,
    success_url: str, cancel_url: str, locale: str, expires_at: dt.datetime,
) -> dict[str, Any]:  # fmt: skip
    """Return what creates the hosted page; the payment's own id travels in every object Stripe makes of it."""
    named = {"subject": str(subject), "command": str(command)}
    return {
        "mode": "payment",
        "client_reference_id": str(subject),
        "customer_email": email,
        "locale": locale,
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expires_at": int(expires_at.timestamp()),
        "metadata": named,
        "payment_intent_data": {"metadata": named},
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": currency.lower(),
                    "unit_amount": line.amount_minor,
                    "product_data": {"name": line.text},
                },
            }
            for line in lines
            if line.amount_minor
        ],
    }


def key_of(command: uuid.UUID, generation: int) -> str:
    """Return the idempotency key of a command: its id, followed by how many fresh keys it needed, if any."""
    return f"{command}:{generation}" if generation else str(command)


def wait(attempts: int) -> dt.timedelta:
    """Return how long to wait after this many attempts: 1 s, 2 s, 4 s, … up to a quarter of an hour."""
    return dt.timedelta(seconds=min(2 ** min(attempts - 1, 20), LONGEST_WAIT_SECONDS))


# ------------------------------------------------------------------ what is answered
def state_of(session: Session) -> str:
    """Return where a payment stands by its session: the page's redirect counts for nothing, money does."""
    if session.is_paid:
        return "refunded" if session.refunded_minor >= session.amount_minor else "paid"
    if session.status == "expired":
        return "expired"
    if session.status == "complete" and session.intent_status in ("requires_payment_method", "canceled"):
        return "failed"
    return "open"


def later(known: str, told: str) -> str:
    """Return whichever state is further along."""
    return max(known, told, key=STATES.index)


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
    "topup": chart.TRANSFERS,
    "topup_reversal": chart.TRANSFERS,
    "fee": chart.STRIPE_FEES,
    "network_cost": chart.STRIPE_FEES,
}
"""Reporting category → the account across from Stripe's. One that is not here is never guessed: finance names it."""


def postings(category: str, amount_minor: int, fee_minor: int) -> list[tuple[str, str, int]]:
    """Return the postings of a movement of a known category; money in debits Stripe's account, money out credits it."""
    return [
        (debit, credit, abs(amount))
        for amount, counterpart in ((amount_minor, COUNTERPARTS[category]), (-fee_minor, chart.STRIPE_FEES))
        if amount
        for debit, credit in [(chart.STRIPE, counterpart) if amount > 0 else (counterpart, chart.STRIPE)]
    ]
