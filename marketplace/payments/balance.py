"""Stripe's balance, mirrored line by line and posted in the same transaction."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.database import execute, fetch, lock, transaction
from marketplace.ledger.actions import Entry, record_all
from marketplace.payments import rules
from marketplace.payments.cursors import has_read, read_until
from marketplace.payments.rules import Movement
from marketplace.payments.stripe_port import StripePort

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

OVERLAP = dt.timedelta(days=1)
PAYOUTS_ARE_RECONCILED_WITHIN = dt.timedelta(days=30)


async def mirror_balance() -> int:
    """Copy every new balance transaction and post it in the same transaction; return how many were new."""
    new, newest = 0, None
    since = await read_until("balance_transactions", OVERLAP)
    async with StripePort() as port:
        async for page in port.list_movements(since):
            new += await _mirror(page)
            newest = max(newest or page[0].created_at, page[0].created_at)
        await has_read("balance_transactions", newest)
        await _name_payments()
        await _post_what_is_not()
        await _fill_payouts(port)
    return new


async def read_balance() -> int:
    """Return what Stripe holds for us now, available and pending, in cents."""
    async with StripePort() as port:
        return await port.balance_minor()


async def _mirror(page: list[Movement]) -> int:
    async with transaction():
        await lock("stripe balance")
        rows = await fetch(
            """
            INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, currency, source_id,
                                             charge_id, payment_subject, status, created_at, available_on)
            SELECT id, category, amount_minor, fee_minor, net_minor, currency, source_id, given.charge_id,
                   coalesce((SELECT subject FROM payment WHERE payment.charge_id = given.charge_id),
                            (SELECT subject FROM payment WHERE payment.subject = given.subject)),
                   status, created_at, available_on
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[],
                        $8::text[], $9::text[], $10::timestamptz[], $11::timestamptz[], $12::uuid[])
                 AS given (id, category, amount_minor, fee_minor, net_minor, currency, source_id, charge_id,
                           status, created_at, available_on, subject)
            ON CONFLICT (id) DO UPDATE
            SET status = excluded.status, charge_id = coalesce(balance_transaction.charge_id, excluded.charge_id)
            WHERE balance_transaction.status <> excluded.status
               OR balance_transaction.charge_id IS NULL AND excluded.charge_id IS NOT NULL
            RETURNING id, xmax = 0 AS is_new
            """,
            *([getattr(movement, column) for movement in page] for column in Movement.__slots__),
        )
        fresh = [row["id"] for row in rows if row["is_new"]]
        await _post(await fetch("SELECT * FROM balance_transaction WHERE id = ANY($1) ORDER BY created_at, id", fresh))
    return len(fresh)


async def _post(movements: Sequence[asyncpg.Record]) -> None:
    """Record the entries of mirrored movements; one of an unknown category or currency is left for finance to see."""
    entries = [
        Entry(
            kind=f"stripe_{movement['category']}", source_id=movement["id"], at=movement["created_at"],
            text=f"Stripe {movement['category'].replace('_', ' ')} {movement['source_id'] or ''}".rstrip(),
            postings=rules.postings(movement["category"], movement["amount_minor"], movement["fee_minor"]), late=True,
        )
        for movement in movements
        if movement["category"] in rules.COUNTERPARTS and movement["currency"] == "EUR"
        and (movement["amount_minor"] or movement["fee_minor"])
    ]  # fmt: skip
    if entries:
        await record_all(entries)


async def _name_payments() -> None:
    """Say which payment each mirrored transaction belongs to, as soon as the payment knows its charge."""
    await execute(
        """UPDATE balance_transaction SET payment_subject = payment.subject FROM payment
           WHERE balance_transaction.payment_subject IS NULL AND balance_transaction.charge_id = payment.charge_id"""
    )


async def _post_what_is_not() -> None:
    """Post what was mirrored before its category had an account."""
    async with transaction():
        await lock("stripe balance")
        await _post(
            await fetch(
                """SELECT * FROM balance_transaction AS movement WHERE category = ANY($1) AND currency = 'EUR'
                   AND NOT EXISTS (SELECT FROM journal_entry
                                   WHERE kind = 'stripe_' || movement.category AND source_id = movement.id)
                   ORDER BY created_at, id LIMIT 1000""",
                list(rules.COUNTERPARTS),
            )
        )


async def _fill_payouts(port: StripePort) -> None:
    """Write on each transaction the automatic payout that paid it out, once Stripe has reconciled the payout."""
    open_payouts = await fetch(
        """SELECT source_id FROM balance_transaction
           WHERE category = 'payout' AND payout_id IS NULL AND created_at > $1 ORDER BY created_at""",
        clock.now() - PAYOUTS_ARE_RECONCILED_WITHIN,
    )
    for payout in (row["source_id"] for row in open_payouts):
        if not await port.is_reconciled(payout):
            continue
        paid_out = [movement async for page in port.list_movements_in(payout) for movement in page]
        await execute("UPDATE balance_transaction SET payout_id = $2 WHERE id = ANY($1)", paid_out, payout)
