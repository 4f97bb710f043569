"""What other slices and pages read of payments."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from marketplace import clock
from marketplace.database import fetch, fetch_one
from marketplace.errors import NotFound

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    import asyncpg

PAID: Final = "payment.state IN ('paid', 'refunded')"
"""SQL: the money has come, whatever became of it since."""
REFUNDED: Final = "payment.state = 'refunded'"
"""SQL: all of it was given back."""
STUCK_AFTER: Final = dt.timedelta(minutes=10)
"""A command that is not done by then is finance's to look at."""
LOST_SHOWN_FOR: Final = dt.timedelta(days=7)
VALID: Final = "saved_method.state = 'saved' AND (ends_on IS NULL OR ends_on > $1)"
STUCK: Final = "settled_at IS NULL AND (state = 'failed' OR state = 'pending' AND created_at < $1)"


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


async def list_disputes_of(subject: uuid.UUID) -> list[asyncpg.Record]:
    """Return the disputes of `subject`'s payment, oldest first."""
    return await fetch("SELECT * FROM dispute WHERE payment_subject = $1 ORDER BY opened_at, id", subject)


# ------------------------------------------------------------------ saved methods
async def find_saved_method(
    partner: uuid.UUID, *, kinds: Sequence[str] = ("card", "sepa_debit")
) -> asyncpg.Record | None:
    """Return the payment method of these kinds that a partner saved last and that is still valid."""
    return await fetch_one(
        f"""SELECT saved_method.*, payer.customer_id FROM saved_method JOIN payer ON payer.partner = saved_method.payer
            WHERE saved_method.payer = $2 AND kind = ANY ($3) AND {VALID} ORDER BY saved_at DESC, id LIMIT 1""",
        clock.now().date(), partner, list(kinds),
    )  # fmt: skip


async def list_partners_with_saved_method(partners: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return which of these partners hold a valid saved method."""
    rows = await fetch(
        f"SELECT DISTINCT payer FROM saved_method WHERE payer = ANY ($2) AND {VALID}",
        clock.now().date(),
        list(partners),
    )
    return {row["payer"] for row in rows}


# ------------------------------------------------------------------ what finance staff look at
async def list_stuck_commands(limit: int = 200) -> list[asyncpg.Record]:
    """Return the commands that failed, or are not done after ten minutes, and that nobody has given up; oldest first."""
    return await fetch(
        f"""SELECT command.id, verb, command.subject, command.state, attempts, created_at, next_at, first_tried_at, error,
                   coalesce((parameters->>'amount')::bigint, (parameters->>'amount_minor')::bigint, payment.amount_minor)
                       AS amount_minor, partner.company
            FROM (SELECT * FROM stripe_command WHERE {STUCK} ORDER BY created_at, id LIMIT $2) AS command
            LEFT JOIN payment ON payment.subject = command.subject
            LEFT JOIN saved_method ON saved_method.id = command.subject
            LEFT JOIN partner ON partner.id IN (payment.payer, saved_method.payer, command.subject)
            ORDER BY created_at, command.id""",
        clock.now() - STUCK_AFTER, limit,
    )  # fmt: skip


async def list_lost_events(limit: int = 50) -> list[asyncpg.Record]:
    """Return the events of the last week that no webhook brought in time, the latest first."""
    return await fetch(
        "SELECT id, type, created_at, received_at, lost_at FROM stripe_event WHERE lost_at > $1 ORDER BY lost_at DESC, id LIMIT $2",
        clock.now() - LOST_SHOWN_FOR, limit,
    )  # fmt: skip


async def count_amiss() -> dict[str, Any]:
    """Return how much is amiss between us and Stripe: stuck commands, lost and unhandled events."""
    row = await fetch_one(
        f"""SELECT (SELECT count(*) FROM stripe_command WHERE {STUCK}) AS stuck_commands,
                   (SELECT count(*) FROM stripe_event WHERE lost_at IS NOT NULL) AS lost_events,
                   (SELECT count(*) FROM stripe_event WHERE handled_at IS NULL) AS waiting_events""",
        clock.now() - STUCK_AFTER,
    )
    assert row
    return dict(row)
