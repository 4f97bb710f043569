"""What refunds and disputes share: a returned amount, its entry and credit note, and the rest of the licence.

A return of the whole ends licence and entitlement. Shares wait while money may be returned (`contested_at`). What
is returned of a part (`returned_minor`) is the operator's loss.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from marketplace.catalogue.offers.demand import retract_sales
from marketplace.core import clock
from marketplace.core.database import execute, fetch_rows
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import Entry, record_all
from marketplace.sales.orders import rules
from marketplace.sales.orders.invoices import issue_invoices
from marketplace.sales.orders.queries import SQL, list_quotes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence


class ReturnableOrder(Struct, frozen=True):
    """An order whose money is returned; amounts in cents, `left_minor` is what remains."""

    id: uuid.UUID
    number: str
    net_minor: int
    vat_minor: int
    total_minor: int
    currency: str
    left_minor: int


class OrderState(Struct, frozen=True):
    """An order and its state."""

    id: uuid.UUID
    state: str


class Return(Struct, frozen=True):
    """One returned amount of an order's money, with its entry in the books; `kind` as in the table."""

    id: uuid.UUID
    order: uuid.UUID
    kind: Literal["refund", "dispute", "failure"]
    dispute: str | None
    part: rules.OrderAmount
    entry: Entry


async def lock_licences(orders: Sequence[uuid.UUID]) -> dt.datetime:
    """Lock the orders' licences and return the instant: a download that began earlier came first."""
    if orders:
        await execute("SELECT FROM licence WHERE purchase_order = ANY ($1) ORDER BY id FOR UPDATE", list(orders))
    return clock.now()


def make_return(
    order: ReturnableOrder,
    total_minor: int,
    kind: Literal["refund", "dispute", "failure"],
    now: dt.datetime,
    dispute: str | None = None,
    *,
    return_id: uuid.UUID | None = None,
) -> Return:
    """Return one returned amount, divided before VAT and VAT in the sale's proportion, and its entry."""
    before = order.total_minor - order.left_minor
    part = rules.part_of(order.net_minor, order.vat_minor, before, total_minor)
    against = chart.DISPUTES if kind == "dispute" else chart.PARTNERS
    return_id = return_id or uuid.uuid4()
    postings = [(chart.LICENCES_SOLD, against, part.net_minor), (chart.VAT_COLLECTED, against, part.vat_minor)]
    entry_kind = "dispute_lost" if kind == "dispute" else "refund"
    entry = Entry(entry_kind, str(return_id), now, order.number, postings, order.currency)
    return Return(return_id, order.id, kind, dispute, part, entry)


async def write_returns(returns: Sequence[Return], now: dt.datetime, *, is_refund: bool) -> None:
    """Write returns, with their entries and credit notes; a return of the whole ends the licence.

    The orders are locked; either all returns are refunds, or none.
    """
    if not returns:
        return
    orders = [one.order for one in returns]
    nets, vats = [one.part.net_minor for one in returns], [one.part.vat_minor for one in returns]
    ids, kinds, disputes = (
        [one.id for one in returns],
        [one.kind for one in returns],
        [one.dispute for one in returns],
    )
    await execute(SQL["write_returns"], ids, orders, kinds, disputes, nets, vats, now)
    totals = [net + vat for net, vat in zip(nets, vats, strict=True)]
    changed = await fetch_rows(OrderState, SQL["note_returns"], orders, totals, is_refund)
    await execute(SQL["note_lots"], ids)
    await end_licences([one.id for one in changed if one.state != "paid"], now)
    await record_all([one.entry for one in returns])
    await issue_invoices(orders)


async def end_licences(orders: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """End the licences of these orders with their entitlements; their sales no longer count as demand."""
    await end_lots(await list_quotes(orders), now)


async def end_lots(quotes: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """End the licences of these quotes with their entitlements; their sales no longer count as demand."""
    if not quotes:
        return
    await execute("UPDATE licence SET cancelled_at = coalesce(cancelled_at, $2) WHERE quote = ANY ($1)", quotes, now)
    await retract_sales(quotes, now)
    await _revoke(quotes, now)


async def revoke_entitlements(orders: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """Revoke the entitlements of these orders."""
    await _revoke(await list_quotes(orders), now)


async def _revoke(quotes: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """Revoke the entitlements of these quotes; a revoked one is no longer suspended."""
    await execute(
        """UPDATE entitlement SET revoked_at = coalesce(entitlement.revoked_at, $2), suspended_at = NULL
           FROM licence WHERE licence.id = entitlement.licence AND licence.quote = ANY ($1)""",
        quotes,
        now,
    )


async def settle_contests() -> None:
    """Resume shares if no refund is under way or unrecorded, and no dispute or claim is open."""
    await execute(SQL["settle_contests"])


async def freeze_shares(order: uuid.UUID, now: dt.datetime) -> None:
    """Stop the shares of a paid order's licence for a claim, and the clock of their hold."""
    await lock_licences([order])
    frozen = "UPDATE licence SET claimed_at = $2, contested_at = coalesce(contested_at, $2) WHERE purchase_order = $1"
    await execute(frozen, order, now)


async def thaw_shares(order: uuid.UUID, now: dt.datetime) -> None:
    """Resume shares after a claim: those still held are held for the time of the claim longer."""
    await execute(
        """UPDATE licence SET claimed_at = NULL,
                  hold_until = CASE WHEN claimed_at < hold_until THEN hold_until + ($2 - claimed_at) ELSE hold_until END
           WHERE purchase_order = $1 AND claimed_at IS NOT NULL""",
        order,
        now,
    )
    await settle_contests()
