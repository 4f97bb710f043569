"""What other slices and pages read of payments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.database import fetch, fetch_one
from marketplace.errors import NotFound

if TYPE_CHECKING:
    import uuid

    import asyncpg

PAID: Final = "payment.state IN ('paid', 'refunded')"
"""SQL: the money has come, whatever became of it since."""
REFUNDED: Final = "payment.state = 'refunded'"
"""SQL: all of it was given back."""


async def get_payment(subject: uuid.UUID) -> asyncpg.Record:
    """Return the payment of `subject`."""
    row = await fetch_one("SELECT * FROM payment WHERE subject = $1", subject)
    if row is None:
        raise NotFound("There is no payment {subject}.", subject=subject)
    return row


async def list_commands(subject: uuid.UUID) -> list[asyncpg.Record]:
    """Return what Stripe was asked for `subject`, oldest first."""
    return await fetch(
        """SELECT id, verb, state, attempts, created_at, object_id, error FROM stripe_command
           WHERE subject = $1 ORDER BY created_at, id""",
        subject,
    )


async def list_movements_of(subject: uuid.UUID) -> list[asyncpg.Record]:
    """Return Stripe's balance transactions of `subject`'s payment, oldest first."""
    return await fetch("SELECT * FROM balance_transaction WHERE payment_subject = $1 ORDER BY created_at, id", subject)
