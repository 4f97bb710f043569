"""Stripe's balance, mirrored line by line and posted in the same transaction."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock
from marketplace.database import execute, fetch_rows, select, transaction
from marketplace.ledger.actions import Entry, record_all
from marketplace.ledger.category_accounts import list_given_accounts
from marketplace.locks import lock
from marketplace.payments import rules
from marketplace.payments.events import mark_read, read_until
from marketplace.payments.queries import SQL
from marketplace.payments.rules import Movement
from marketplace.payments.stripe_port import DecidedError, SilentError, StripePort
from marketplace.payments.tables import BalanceTransaction
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Sequence

OVERLAP: Final = dt.timedelta(days=1)
PAYOUTS_ARE_RECONCILED_WITHIN: Final = dt.timedelta(days=30)


class Mirrored(Struct, frozen=True):
    """A balance transaction that was copied, or copied again."""

    id: str
    is_new: bool


class Unposted(Struct, frozen=True):
    """A mirrored movement to be posted; amounts in cents."""

    id: str
    category: str
    amount_minor: int
    fee_minor: int
    currency: str
    source_id: str | None
    created_at: dt.datetime


class OpenPayout(Struct, frozen=True):
    """One of Stripe's payouts whose transactions are not known yet."""

    source_id: str


async def mirror_balance() -> int:
    """Copy every new balance transaction and post it in the same transaction; return how many were new."""
    new, newest = 0, None
    since = await read_until("balance_transactions", OVERLAP)
    async with StripePort() as port:
        async for page in port.list_movements(since):
            new += await _mirror(page)
            newest = max(newest or page[0].created_at, page[0].created_at)
        await mark_read("balance_transactions", newest)
        await _name_payments()
        await post_unposted()
        await _fill_payouts(port)
    return new


async def read_balance() -> int:
    """Return what Stripe has of ours now, available and pending, in cents."""
    async with StripePort() as port:
        return await port.balance_minor()


async def read_available() -> int | None:
    """Return what Stripe would let us transfer now, in cents; None while it does not answer."""
    try:
        async with StripePort() as port:
            return await port.available_minor()
    except (SilentError, DecidedError):
        return None


async def _mirror(page: list[Movement]) -> int:
    async with transaction():
        await lock("stripe balance")
        given = ([getattr(movement, column) for movement in page] for column in Movement.__slots__)
        rows = await fetch_rows(Mirrored, SQL["mirror_movements"], *given)
        fresh = [row.id for row in rows if row.is_new]
        if fresh:
            are_fresh = select(Unposted, BalanceTransaction).where(BalanceTransaction.id.is_in(fresh))
            in_order = are_fresh.order_by(BalanceTransaction.created_at, BalanceTransaction.id)
            await _post(await fetch_rows(Unposted, in_order))
    return len(fresh)


async def accounts_by_category() -> dict[str, str]:
    """Return the account across from Stripe's of each category that has one: by the chart, or given by two people."""
    return await list_given_accounts() | rules.COUNTERPARTS


async def _post(movements: Sequence[Unposted]) -> None:
    """Record the entries of mirrored movements; one of an unknown category or currency is left for finance to see."""
    accounts = await accounts_by_category()
    entries = [
        Entry(
            kind=f"stripe_{movement.category}",
            source_id=movement.id,
            at=movement.created_at,
            text=f"Stripe {movement.category.replace('_', ' ')} {movement.source_id or ''}".rstrip(),
            postings=rules.postings(accounts[movement.category], movement.amount_minor, movement.fee_minor),
            late=True,
        )
        for movement in movements
        if movement.category in accounts and movement.currency == EUR and (movement.amount_minor or movement.fee_minor)
    ]
    if entries:
        await record_all(entries)


async def _name_payments() -> None:
    """Write which payment each mirrored transaction belongs to, as soon as the payment knows its charge."""
    await execute(
        """UPDATE balance_transaction SET payment_subject = payment.subject FROM payment
           WHERE balance_transaction.payment_subject IS NULL AND balance_transaction.charge_id = payment.charge_id"""
    )


async def post_unposted() -> None:
    """Post what was mirrored before its category had an account, a thousand movements at a time."""
    async with transaction():
        await lock("stripe balance")
        await _post(await fetch_rows(Unposted, SQL["list_unposted_movements"], list(await accounts_by_category()), EUR))


async def _fill_payouts(port: StripePort) -> None:
    """Write on each transaction the automatic payout that paid it out, once Stripe has reconciled the payout."""
    are_open = (
        BalanceTransaction.category == "payout",
        BalanceTransaction.payout_id.is_null(),
        BalanceTransaction.source_id.is_not_null(),
        BalanceTransaction.created_at > clock.now() - PAYOUTS_ARE_RECONCILED_WITHIN,
    )
    open_payouts = select(OpenPayout, BalanceTransaction).where(*are_open).order_by(BalanceTransaction.created_at)
    for payout in await fetch_rows(OpenPayout, open_payouts):
        if not await port.is_reconciled(payout.source_id):
            continue
        paid_out = [movement async for page in port.list_movements_in(payout.source_id) for movement in page]
        is_of_it = BalanceTransaction.id.is_in(paid_out)
        if paid_out:
            await BalanceTransaction.update({BalanceTransaction.payout_id: payout.source_id}).where(is_of_it)
