"""Stripe's balance, mirrored line by line and posted in the same transaction."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_rows, select, transaction
from marketplace.core.locks import lock
from marketplace.money.ledger.actions import Entry, record_all
from marketplace.money.payments import rules
from marketplace.money.payments.events import mark_read, read_until
from marketplace.money.payments.queries import SQL
from marketplace.money.payments.rules import Movement
from marketplace.money.payments.stripe_port import DecidedError, SilentError, StripePort
from marketplace.money.payments.tables import BalanceTransaction
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Sequence

OVERLAP: Final = dt.timedelta(days=1)
PAYOUTS_ARE_RECONCILED_WITHIN: Final = dt.timedelta(days=30)


class CategoryAccount(Struct, frozen=True):
    """An account for a category of Stripe's transactions."""

    category: str
    account: str


class MirroredTransaction(Struct, frozen=True):
    """A balance transaction that was copied, or copied again."""

    id: str
    is_new: bool


class UnpostedMovement(Struct, frozen=True):
    """A mirrored movement to post; amounts in cents."""

    id: str
    category: str
    amount_minor: int
    fee_minor: int
    currency: str
    source_id: str | None
    created_at: dt.datetime


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
    """Return our balance at Stripe now, available and pending, in cents."""
    async with StripePort() as port:
        return await port.balance_minor()


async def read_available() -> int | None:
    """Return what Stripe would let us transfer now, in cents; None if it does not answer."""
    try:
        async with StripePort() as port:
            return await port.available_minor()
    except (SilentError, DecidedError):
        return None


async def _mirror(page: list[Movement]) -> int:
    async with transaction():
        await lock("stripe balance")
        given = ([getattr(movement, column) for movement in page] for column in Movement.__slots__)
        rows = await fetch_rows(MirroredTransaction, SQL["mirror_movements"], *given)
        fresh = [row.id for row in rows if row.is_new]
        if fresh:
            are_fresh = select(UnpostedMovement, BalanceTransaction).where(BalanceTransaction.id.is_in(fresh))
            in_order = are_fresh.order_by(BalanceTransaction.created_at, BalanceTransaction.id)
            await _post(await fetch_rows(UnpostedMovement, in_order))
    return len(fresh)


async def accounts_by_category() -> dict[str, str]:
    """Return the counterpart account of each category that has one: by the chart, or decided by two people."""
    return await list_given_accounts() | rules.COUNTERPARTS


async def list_given_accounts() -> dict[str, str]:
    """Return the account that two people decided for each category: the latest approved one."""
    return {row.category: row.account for row in await fetch_rows(CategoryAccount, SQL["list_given_accounts"])}


async def _post(movements: Sequence[UnpostedMovement]) -> None:
    """Record the entries of mirrored movements; an unknown category or currency is left for finance."""
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
    """Post movements that were mirrored before their category had an account, a thousand at a time."""
    async with transaction():
        await lock("stripe balance")
        await _post(
            await fetch_rows(UnpostedMovement, SQL["list_unposted_movements"], list(await accounts_by_category()), EUR)
        )


async def _fill_payouts(port: StripePort) -> None:
    """Write on each transaction the automatic payout that paid it out, once Stripe has reconciled the payout."""
    are_open = (
        BalanceTransaction.category == "payout",
        BalanceTransaction.payout_id.is_null(),
        BalanceTransaction.source_id.is_not_null(),
        BalanceTransaction.created_at > clock.now() - PAYOUTS_ARE_RECONCILED_WITHIN,
    )
    open_payouts = (
        BalanceTransaction.select(BalanceTransaction.source_id).where(*are_open).order_by(BalanceTransaction.created_at)
    )
    for payout in await fetch_column(str, open_payouts):
        if not await port.is_reconciled(payout):
            continue
        paid_out = [movement async for page in port.list_movements_in(payout) for movement in page]
        is_of_it = BalanceTransaction.id.is_in(paid_out)
        if paid_out:
            await BalanceTransaction.update({BalanceTransaction.payout_id: payout}).where(is_of_it)
