"""Money that goes back: refunds that staff decide, disputes that banks decide; licence, entitlement and books follow.

A refund of a part leaves the licence as it is and takes its part of the shares; of the whole, it ends the licence at
once. A dispute suspends the entitlement while it is open, restores it when won and ends it when lost. Shares wait while
money may go back (`contested_at`) and are divided anew by what is left (`returned_minor`); each pass is one transaction.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from marketplace import clock
from marketplace.database import execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.ledger import chart
from marketplace.ledger.actions import Entry, record_all
from marketplace.payments import actions as payments
from marketplace.purchases import rules
from marketplace.purchases.invoices import write_papers

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import asyncpg

AT_ONCE = 200
LEFT = "purchase_order.total_minor - purchase_order.returned_minor - purchase_order.charged_back_minor"
"""SQL: what of a paid order's money is still here, in cents."""
DISPUTED = "EXISTS (SELECT FROM dispute WHERE payment_subject = purchase_order.id AND dispute.state = 'open')"
REFUND_UNDER_WAY = """EXISTS (SELECT FROM stripe_command
                              WHERE subject = purchase_order.id AND verb = 'refund' AND state = 'pending')"""


async def request_order_refund(
    order_id: uuid.UUID, by: str, *, refund_id: uuid.UUID, amount_minor: int | None = None, bears_loss: bool = False
) -> None:
    """Give a paid order's money back, or a part of it; `by` names who decided. `refund_id` is the form's: twice refunds once.

    amount_minor: VAT included; None: all that is left. While shares are held they follow; once the hold is over they
    stay people's, and this refuses unless somebody says that the operator `bears_loss`. A refund of the whole that
    Stripe refused, or the partner's bank returned, may be asked for again at any time: the shares were cancelled with
    the first.
    """
    async with transaction():
        row = await fetch_one(
            f"SELECT *, {LEFT} AS left_minor, {DISPUTED} AS is_disputed FROM purchase_order WHERE id = $1 FOR UPDATE",
            order_id,
        )
        if row is None:
            raise NotFound("There is no such order.")
        if await fetch_value("SELECT true FROM stripe_command WHERE id = $1", refund_id):
            amount = await fetch_value(
                "SELECT (parameters->>'amount')::bigint FROM stripe_command WHERE id = $1", refund_id
            )
            await payments.request_refund(order_id, amount_minor=amount_minor or amount, refund_id=refund_id)
            return
        licence = await fetch_one("SELECT * FROM licence WHERE purchase_order = $1 FOR UPDATE", order_id)
        if row["state"] == "refunded":
            await _send_again(row, refund_id)
            return
        if row["state"] != "paid" or licence is None:
            raise Conflict("Only a paid order can be refunded; this one is not paid.")
        if row["is_disputed"]:
            raise Conflict("This payment is disputed: whether the money goes back is the bank’s to say now.")
        if licence["cancelled_at"] is not None and not await _refund_failed(order_id):
            return
        now = clock.now()
        if licence["cancelled_at"] is None and licence["hold_until"] <= now and not bears_loss:
            raise Conflict(
                "The hold has ended and the shares stay the subscribers’: say that the operator bears the loss, or do not refund."
            )
        amount = row["left_minor"] if amount_minor is None else amount_minor
        if not 0 < amount <= row["left_minor"]:
            raise Invalid("That is not between one cent and what is left of this payment.")
        await payments.request_refund(order_id, amount_minor=amount, refund_id=refund_id)
        await execute(
            "UPDATE purchase_order SET refund_requested_at = $2, refund_requested_by = $3 WHERE id = $1",
            order_id,
            now,
            by,
        )
        if amount == row["left_minor"]:
            await _take_back([order_id], now)
        await execute("UPDATE licence SET contested_at = coalesce(contested_at, $2) WHERE id = $1", licence["id"], now)


async def _refund_failed(order_id: uuid.UUID) -> bool:
    """Tell whether the last refund asked of Stripe was refused for good."""
    last = await fetch_value(
        "SELECT state FROM stripe_command WHERE subject = $1 AND verb = 'refund' ORDER BY created_at DESC LIMIT 1",
        order_id,
    )
    return bool(last == "failed")


async def _send_again(order: asyncpg.Record, refund_id: uuid.UUID) -> None:
    """Send a refunded order's money once more, when the partner's bank returned it; else nothing is owed."""
    refunded = await fetch_value("SELECT refunded_minor FROM payment WHERE subject = $1", order["id"])
    if refunded < order["returned_minor"]:
        await payments.request_refund(order["id"], amount_minor=order["returned_minor"] - refunded, refund_id=refund_id)


async def record_refunds() -> int:
    """Record what payments say was given back: entry, paper, and what is left of licence and shares; return how many."""
    async with transaction():
        orders = await fetch(
            f"""SELECT purchase_order.*, {LEFT} AS left_minor, payment.refunded_minor - returned_minor AS more_minor
                FROM purchase_order JOIN payment ON payment.subject = purchase_order.id
                WHERE purchase_order.state IN ('paid', 'charged_back') AND payment.refunded_minor > returned_minor
                  AND {LEFT} > 0
                ORDER BY purchase_order.id LIMIT $1 FOR UPDATE OF purchase_order SKIP LOCKED""",
            AT_ONCE,
        )
        now = await _lock_licences(orders)
        backs = [_back(order, min(order["more_minor"], order["left_minor"]), "refund", None, now) for order in orders]
        await _write("returned_minor", backs, now)
        await _let_shares_go_on()
    return len(backs)


async def follow_disputes() -> int:
    """Suspend what is disputed, restore what was won, end what was lost or failed late; return how many orders changed."""
    async with transaction():
        opened = await fetch(
            f"""SELECT purchase_order.* FROM purchase_order
                JOIN licence ON licence.purchase_order = purchase_order.id JOIN entitlement ON entitlement.licence = licence.id
                WHERE {DISPUTED} AND suspended_at IS NULL AND revoked_at IS NULL
                ORDER BY purchase_order.id LIMIT $1 FOR UPDATE OF purchase_order SKIP LOCKED""",
            AT_ONCE,
        )
        now = await _lock_licences(opened)
        ids = [row["id"] for row in opened]
        await execute(
            """UPDATE entitlement SET suspended_at = $2 FROM licence
               WHERE licence.id = entitlement.licence AND licence.purchase_order = ANY ($1)""",
            ids, now,
        )  # fmt: skip
        await execute(
            "UPDATE licence SET contested_at = coalesce(contested_at, $2) WHERE purchase_order = ANY ($1)", ids, now
        )
    return len(opened) + await _record_losses() + await _record_failures() + await _restore()


async def _record_losses() -> int:
    async with transaction():
        lost = await fetch(
            f"""SELECT purchase_order.*, {LEFT} AS left_minor, dispute.id AS dispute, dispute.amount_minor AS disputed_minor
                FROM dispute JOIN purchase_order ON purchase_order.id = dispute.payment_subject
                WHERE dispute.state = 'lost' AND purchase_order.state = 'paid'
                  AND NOT EXISTS (SELECT FROM order_return WHERE order_return.dispute = dispute.id)
                  AND NOT EXISTS (SELECT FROM dispute AS earlier WHERE earlier.payment_subject = purchase_order.id
                                  AND earlier.state = 'lost' AND earlier.id < dispute.id
                                  AND NOT EXISTS (SELECT FROM order_return WHERE order_return.dispute = earlier.id))
                ORDER BY purchase_order.id LIMIT $1 FOR UPDATE OF purchase_order SKIP LOCKED""",
            AT_ONCE,
        )
        now = await _lock_licences(lost)
        backs = [
            _back(order, min(order["disputed_minor"], order["left_minor"]), "dispute", order["dispute"], now)
            for order in lost
        ]
        await _write("charged_back_minor", backs, now)
        await execute(
            """UPDATE entitlement SET revoked_at = coalesce(revoked_at, $2), suspended_at = NULL FROM licence
               WHERE licence.id = entitlement.licence AND licence.purchase_order = ANY ($1)""",
            [order["id"] for order in lost], now,
        )  # fmt: skip
        await _let_shares_go_on()
    return len(lost)


async def _record_failures() -> int:
    """Take back what was sold for a payment whose money Stripe took out again: it failed after it had been made."""
    async with transaction():
        failed = await fetch(
            f"""SELECT purchase_order.*, {LEFT} AS left_minor
                FROM purchase_order JOIN payment ON payment.subject = purchase_order.id
                WHERE purchase_order.state = 'paid' AND {LEFT} > 0
                  AND EXISTS (SELECT FROM balance_transaction
                              WHERE balance_transaction.charge_id = payment.charge_id AND category = 'charge_failure')
                ORDER BY purchase_order.id LIMIT $1 FOR UPDATE OF purchase_order SKIP LOCKED""",
            AT_ONCE,
        )
        now = await _lock_licences(failed)
        await _write(
            "charged_back_minor", [_back(order, order["left_minor"], "failure", None, now) for order in failed], now
        )
    return len(failed)


async def _restore() -> int:
    """Open again what no dispute suspends any more."""
    async with transaction():
        restored = await execute(
            f"""UPDATE entitlement SET suspended_at = NULL FROM licence
                JOIN purchase_order ON purchase_order.id = licence.purchase_order
                WHERE licence.id = entitlement.licence AND suspended_at IS NOT NULL AND NOT {DISPUTED}
                  AND NOT EXISTS (SELECT FROM dispute WHERE payment_subject = purchase_order.id AND dispute.state = 'lost'
                                  AND NOT EXISTS (SELECT FROM order_return WHERE order_return.dispute = dispute.id))"""
        )
        await _let_shares_go_on()
    return restored


async def _let_shares_go_on() -> None:
    """Let shares wait no longer where no refund is under way or to be recorded, and no dispute is open."""
    await execute(
        f"""UPDATE licence SET contested_at = NULL FROM purchase_order JOIN payment ON payment.subject = purchase_order.id
            WHERE purchase_order.id = licence.purchase_order AND contested_at IS NOT NULL
              AND NOT {DISPUTED} AND NOT {REFUND_UNDER_WAY} AND payment.refunded_minor <= purchase_order.returned_minor
              AND NOT EXISTS (SELECT FROM dispute WHERE payment_subject = purchase_order.id AND dispute.state = 'lost'
                              AND NOT EXISTS (SELECT FROM order_return WHERE order_return.dispute = dispute.id))"""
    )


# ------------------------------------------------------------------ what every way back has in common
async def _lock_licences(orders: Sequence[asyncpg.Record]) -> dt.datetime:
    """Lock the orders' licences and return the instant: a download that began before is before."""
    ids = [row["id"] for row in orders]
    await fetch("SELECT id FROM licence WHERE purchase_order = ANY ($1) ORDER BY id FOR UPDATE", ids)
    return clock.now()


def _back(
    order: asyncpg.Record, total_minor: int, kind: str, dispute: str | None, now: dt.datetime
) -> tuple[asyncpg.Record, rules.Part, str, str | None, uuid.UUID, Entry]:
    """Return one amount that went back: before VAT and VAT in the sale's proportion, and its entry."""
    before = order["total_minor"] - order["left_minor"]
    part = rules.part_of(order["net_minor"], order["vat_minor"], before, total_minor)
    against = chart.DISPUTES if kind == "dispute" else chart.PARTNERS
    name = uuid.uuid4()
    postings = [(chart.LICENCES_SOLD, against, part.net_minor), (chart.VAT_COLLECTED, against, part.vat_minor)]
    entry = Entry(
        "dispute_lost" if kind == "dispute" else "refund", str(name), now, order["number"], postings, order["currency"]
    )
    return order, part, kind, dispute, name, entry


async def _write(
    column: str, backs: Sequence[tuple[asyncpg.Record, rules.Part, str, str | None, uuid.UUID, Entry]], now: dt.datetime
) -> None:
    """Write what went back, with its entries and papers; what is gone whole ends the licence. The orders are locked."""
    if not backs:
        return
    ids = [order["id"] for order, *_ in backs]
    nets, vats = [back[1].net_minor for back in backs], [back[1].vat_minor for back in backs]
    await execute(
        """INSERT INTO order_return (id, purchase_order, kind, dispute, net_minor, vat_minor, total_minor, at)
           SELECT id, purchase_order, kind, dispute, net_minor, vat_minor, net_minor + vat_minor, $7
           FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
                AS given (id, purchase_order, kind, dispute, net_minor, vat_minor)""",
        [back[4] for back in backs], ids, [back[2] for back in backs], [back[3] for back in backs], nets, vats, now,
    )  # fmt: skip
    ended = await fetch(
        f"""UPDATE purchase_order SET {column} = {column} + given.total_minor,
                   state = CASE WHEN {LEFT} > given.total_minor THEN state
                                WHEN '{column}' = 'returned_minor' AND charged_back_minor = 0 THEN 'refunded' ELSE 'charged_back' END
            FROM unnest($1::uuid[], $2::bigint[]) AS given (id, total_minor) WHERE purchase_order.id = given.id
            RETURNING purchase_order.id, purchase_order.state""",
        ids, [net + vat for net, vat in zip(nets, vats, strict=True)],
    )  # fmt: skip
    await execute(
        """UPDATE licence SET returned_minor = returned_minor + given.net_minor
           FROM unnest($1::uuid[], $2::bigint[]) AS given (id, net_minor) WHERE licence.purchase_order = given.id""",
        ids, nets,
    )  # fmt: skip
    await _take_back([row["id"] for row in ended if row["state"] != "paid"], now)
    await record_all([back[5] for back in backs])
    await write_papers(ids)


async def _take_back(orders: Sequence[uuid.UUID], now: dt.datetime) -> None:
    """End the licences of these orders with their entitlements."""
    await execute(
        "UPDATE licence SET cancelled_at = coalesce(cancelled_at, $2) WHERE purchase_order = ANY($1)", orders, now
    )
    await execute(
        """UPDATE entitlement SET revoked_at = coalesce(entitlement.revoked_at, $2), suspended_at = NULL
           FROM licence WHERE licence.id = entitlement.licence AND licence.purchase_order = ANY($1)""",
        orders, now,
    )  # fmt: skip
