"""What winners owe: ordered once a sale, then charged to the saved method, invoiced, or paid on Stripe's page.

A sale's row is locked while it is ordered, so that a winner who clicks and the job that charges never order one award
twice. An order that fails lapses, and the winner may ask for another until the time to pay is over.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import execute, fetch_column, fetch_row, transaction
from marketplace.core.errors import Conflict, Expired, NotAllowed, NotFound, existing
from marketplace.datasets.releases.queries import list_revocations
from marketplace.people.spending.rules import BeyondLimit, Spender, spender_of
from marketplace.sales.auctions.queries import SQL
from marketplace.sales.auctions.rules import award_document
from marketplace.sales.auctions.tables import AuctionSale
from marketplace.sales.orders.actions import order_awarded, send_payment_request
from marketplace.sales.orders.rules import ENGLISH_CHECKOUT, CheckoutWords

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor

BATCH_SIZE: Final = 50


class SaleRow(Struct, frozen=True):
    """A sale with the data needed to order it; `email` is the address for Stripe's receipts."""

    release: uuid.UUID
    net_minor: int
    due_at: dt.datetime
    purchase_order: uuid.UUID | None
    state: str
    auction: uuid.UUID
    partner: uuid.UUID
    pseudonym: str
    round: int
    root: str
    terms: str
    months: int
    offer: uuid.UUID
    order_state: str | None
    email: str | None


async def pay(
    actor: Actor, sale: uuid.UUID, *, order_id: uuid.UUID, words: CheckoutWords = ENGLISH_CHECKOUT
) -> uuid.UUID:
    """Order a partner's award, and return the order to pay on Stripe's page, or the one that can still be paid."""
    if actor.partner is None:
        raise NotAllowed("Only a partner pays for what it won.")
    order = await _order(sale, order_id, by=spender_of(actor), words=words)
    await send_payment_request(order)
    return order


async def charge_sales() -> int:
    """Order every new award and charge the winner's saved method, once, even after a delay; return how many. A job.

    If the bidder's spending limit was revoked, it charges nothing: an owner of the company may pay in time.
    """
    due = await fetch_column(
        uuid.UUID,
        """SELECT sale.id FROM auction_sale AS sale
           JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
           JOIN spending ON (spending.auction, spending.partner) = (outcome.auction, outcome.partner)
           WHERE sale.state = 'due' AND sale.purchase_order IS NULL
             AND (spending.spending_limit IS NULL OR limit_is_in_force(spending.spending_limit))
             AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = sale.release)
           ORDER BY sale.due_at, sale.id LIMIT $1""",
        BATCH_SIZE,
    )
    for sale in due:
        # The order's id is the sale's: the worker finds an order that was left between ordering and charging.
        with contextlib.suppress(Conflict, BeyondLimit):  # Called back or revoked just now: the next run finds it.
            await _order(sale, sale)
    return len(due)


async def _order(
    sale: uuid.UUID,
    order_id: uuid.UUID,
    *,
    by: Spender | None = None,
    words: CheckoutWords = ENGLISH_CHECKOUT,
) -> uuid.UUID:
    """Order a sale unless it has a paid or payable order, and return its order; the payment intent commits with it.

    by: who pays for it on Stripe's page; None: the job, by the saved method.
    """
    partner, person = (by.partner, by.person) if by else (None, None)
    async with transaction():
        await execute("SELECT id FROM auction_sale WHERE id = $1 FOR UPDATE", sale)
        row = existing(
            await fetch_row(SaleRow, SQL["get_sale"], sale, partner, person), NotFound("There is nothing to pay.")
        )
        if row.purchase_order and row.order_state != "lapsed":
            return row.purchase_order
        if await list_revocations([row.release]):
            raise Conflict("This release was called back: there is nothing to pay.")
        if row.state != "due" or (row.due_at <= clock.now() and by):
            raise Expired("The time to pay has passed.")
        document = award_document(
            row.auction,
            row.root,
            bidder=row.pseudonym,
            round_number=row.round,
            release=row.release,
            amount_minor=row.net_minor,
        )
        await order_awarded(
            row.partner,
            by=by,
            auction=row.auction,
            offer=row.offer,
            terms=row.terms,
            months=row.months,
            release=row.release,
            net_minor=row.net_minor,
            document=document,
            order_id=order_id,
            email=row.email or "",
            words=words,
            off_session=by is None,
        )
        await AuctionSale.update({AuctionSale.purchase_order: order_id}, force=True).where(AuctionSale.id == sale)
    return order_id
