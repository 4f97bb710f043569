"""What finance sees: figures, what is unmatched and why, the orders and transactions behind the books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one, fetch_value
from marketplace.errors import NotFound
from marketplace.ledger import chart
from marketplace.ledger.queries import list_entries_of, trial_balance
from marketplace.payments.queries import list_commands, list_movements_of
from marketplace.payments.rules import COUNTERPARTS
from marketplace.web.pages import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import uuid

    import asyncpg

_EXCEPTIONS = """
SELECT CASE WHEN movement.currency <> 'EUR' THEN 'other_currency' ELSE 'unknown_category' END AS why,
       CASE WHEN movement.currency <> 'EUR' THEN movement.currency ELSE movement.category END AS detail,
       movement.id AS reference, '/finance/transactions/' || movement.id AS path,
       movement.net_minor AS amount_minor, movement.created_at AS at
FROM balance_transaction AS movement
WHERE (category <> ALL ($1) OR currency <> 'EUR')
  AND NOT EXISTS (SELECT FROM journal_entry WHERE kind = 'stripe_' || category AND source_id = movement.id)

UNION ALL
SELECT CASE WHEN payment_subject IS NULL THEN 'charge_without_payment'
            WHEN purchase_order.id IS NULL THEN 'charge_without_order'
            WHEN sale.id IS NULL THEN 'charge_without_sale' ELSE 'charge_differs' END,
       coalesce(CASE WHEN sale.id IS NULL THEN purchase_order.state ELSE purchase_order.total_minor::text END, ''),
       coalesce(purchase_order.number, movement.id), '/finance/transactions/' || movement.id,
       movement.amount_minor, movement.created_at
FROM balance_transaction AS movement
LEFT JOIN purchase_order ON purchase_order.id = payment_subject
LEFT JOIN journal_entry AS sale ON sale.kind = 'sale' AND sale.source_id = purchase_order.id::text
WHERE category = 'charge' AND (sale.id IS NULL OR movement.amount_minor <> purchase_order.total_minor)

UNION ALL
SELECT 'sale_without_charge', '', number, '/finance/orders/' || purchase_order.id, total_minor, sale.at
FROM purchase_order JOIN journal_entry AS sale ON sale.kind = 'sale' AND sale.source_id = purchase_order.id::text
WHERE NOT EXISTS (SELECT FROM balance_transaction WHERE payment_subject = purchase_order.id AND category = 'charge')

UNION ALL
SELECT 'refund_without_entry', '', coalesce(purchase_order.number, movement.id),
       '/finance/transactions/' || movement.id, movement.amount_minor, movement.created_at
FROM balance_transaction AS movement
LEFT JOIN purchase_order ON purchase_order.id = payment_subject
WHERE category = 'refund'
  AND NOT EXISTS (SELECT FROM journal_entry WHERE kind = 'refund' AND source_id = purchase_order.id::text)

UNION ALL
SELECT 'refund_without_movement', '', number, '/finance/orders/' || purchase_order.id, total_minor, refund.at
FROM purchase_order
JOIN journal_entry AS refund ON refund.kind = 'refund' AND refund.source_id = purchase_order.id::text
WHERE NOT EXISTS (SELECT FROM balance_transaction WHERE payment_subject = purchase_order.id AND category = 'refund')

UNION ALL
SELECT 'refund_failed', '', coalesce(purchase_order.number, payment.subject::text),
       '/finance/orders/' || purchase_order.id, payment.amount_minor - payment.refunded_minor, payment.read_at
FROM payment LEFT JOIN purchase_order ON purchase_order.id = payment.subject
WHERE payment.state = 'refunded' AND payment.refunded_minor < payment.amount_minor

UNION ALL
SELECT 'dispute_open', '', coalesce(purchase_order.number, max(movement.source_id)),
       '/finance/transactions/' || min(movement.id), sum(movement.net_minor)::bigint, min(movement.created_at)
FROM balance_transaction AS movement LEFT JOIN purchase_order ON purchase_order.id = payment_subject
WHERE category IN ('dispute', 'dispute_reversal')
GROUP BY movement.source_id, purchase_order.number HAVING sum(movement.amount_minor) < 0

UNION ALL
SELECT 'payout_differs', '', payout_id, '/finance/transactions/' || min(id) FILTER (WHERE category = 'payout'),
       sum(net_minor)::bigint, max(created_at)
FROM balance_transaction WHERE payout_id IS NOT NULL GROUP BY payout_id HAVING sum(net_minor) <> 0

UNION ALL
SELECT 'event_amiss', error, id, NULL, NULL, received_at FROM stripe_event WHERE error IS NOT NULL

UNION ALL
SELECT 'command_failed', coalesce(error, ''), coalesce(purchase_order.number, command.subject::text),
       '/finance/orders/' || purchase_order.id, NULL, command.created_at
FROM stripe_command AS command LEFT JOIN purchase_order ON purchase_order.id = command.subject
WHERE command.state = 'failed'
"""
_BALANCE_DIFFERS = """
SELECT 'balance_differs' AS why, ledger_minor::text AS detail, '517000' AS reference,
       '/finance/accounts/517000' AS path, stripe_minor AS amount_minor, at
FROM (SELECT * FROM reconciliation ORDER BY id DESC LIMIT 1) AS last WHERE stripe_minor <> ledger_minor
"""


async def count_exceptions() -> int:
    """Return how many things are unmatched, whatever the balances say."""
    return int(await fetch_value(f"SELECT count(*) FROM ({_EXCEPTIONS}) AS exception", list(COUNTERPARTS)))


async def list_exceptions(page: int = 1) -> Paged:
    """Return what is unmatched and why, newest first."""
    rows = await fetch(
        f"SELECT * FROM ({_BALANCE_DIFFERS} UNION ALL {_EXCEPTIONS}) AS exception "
        "ORDER BY at DESC NULLS LAST, reference, why LIMIT $2 OFFSET $3",
        list(COUNTERPARTS), PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def list_movements(page: int = 1) -> Paged:
    """Return Stripe's balance transactions with the entry that posts each and the order it belongs to, newest first."""
    rows = await fetch(
        """SELECT movement.*, journal_entry.id AS entry, purchase_order.id AS order_id, purchase_order.number
           FROM (SELECT * FROM balance_transaction ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2) AS movement
           LEFT JOIN journal_entry ON kind = 'stripe_' || category AND journal_entry.source_id = movement.id
           LEFT JOIN purchase_order ON purchase_order.id = payment_subject
           ORDER BY created_at DESC, movement.id DESC""",
        PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def list_runs(page: int = 1) -> Paged:
    """Return past comparisons, newest first."""
    return paged(
        await fetch("SELECT * FROM reconciliation ORDER BY id DESC LIMIT $1 OFFSET $2", PAGE_SIZE + 1, offset(page)),
        page,
    )


async def last_run() -> asyncpg.Record | None:
    """Return the latest comparison of Stripe's balance with the books."""
    return await fetch_one("SELECT * FROM reconciliation ORDER BY id DESC LIMIT 1")


async def get_figures() -> dict[str, int]:
    """Return the figures of the overview, in cents: what is owed to whom reads as positive."""
    balances = {row["code"]: row["balance_minor"] for row in await trial_balance()}
    return {
        "stripe": balances[chart.STRIPE],
        "held": -balances[chart.SUBSCRIBERS_HELD],
        "payable": -balances[chart.SUBSCRIBERS_PAYABLE],
        "operator": -balances[chart.OPERATOR_PAYABLE],
        "vat": -balances[chart.VAT_COLLECTED],
        "sold": -balances[chart.LICENCES_SOLD],
    }


async def get_movement(movement_id: str) -> dict[str, Any]:
    """Return one balance transaction with its entries and its order."""
    row = await fetch_one(
        """SELECT movement.*, purchase_order.id AS order_id, purchase_order.number
           FROM balance_transaction AS movement LEFT JOIN purchase_order ON purchase_order.id = payment_subject
           WHERE movement.id = $1""",
        movement_id,
    )
    if row is None:
        raise NotFound("There is no Stripe transaction {id}.", id=movement_id)
    return {**row, "entries": await list_entries_of([(f"stripe_{row['category']}", movement_id)])}


async def list_orders(page: int = 1, number: str = "") -> Paged:
    """Return orders, newest first; `number` narrows to those whose number contains it."""
    rows = await fetch(
        """SELECT purchase_order.id, number, company, total_minor, currency, state, ordered_at
           FROM purchase_order JOIN partner ON partner.id = purchase_order.partner
           WHERE position(upper($1) IN number) > 0
           ORDER BY ordered_at DESC, purchase_order.id LIMIT $2 OFFSET $3""",
        number, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged(rows, page)


async def get_order(order_id: uuid.UUID) -> dict[str, Any]:
    """Return an order with everything money did for it: payment, commands, movements, split and journal entries."""
    order = await fetch_one(
        """SELECT purchase_order.*, company, release.dataset, payment.state AS payment_state, payment.refunded_minor,
                  licence.id AS licence_id, licence.hold_until, licence.cancelled_at,
                  split.state AS split_state, split.fee_minor, split.pool_minor, split.operator_minor,
                  split.platform_minor, split.people
           FROM purchase_order JOIN partner ON partner.id = purchase_order.partner
           JOIN release ON release.id = purchase_order.release
           LEFT JOIN payment ON payment.subject = purchase_order.id
           LEFT JOIN licence ON licence.purchase_order = purchase_order.id
           LEFT JOIN licence_split AS split ON split.licence = licence.id
           WHERE purchase_order.id = $1""",
        order_id,
    )
    if order is None:
        raise NotFound("There is no such order.")
    movements = await list_movements_of(order_id)
    sources = [("sale", str(order_id)), ("refund", str(order_id))]
    sources += [(f"stripe_{movement['category']}", movement["id"]) for movement in movements]
    if order["licence_id"]:
        sources += [(f"shares_{what}", str(order["licence_id"])) for what in ("held", "released", "cancelled")]
    return {
        **order,
        "movements": movements,
        "commands": await list_commands(order_id),
        "entries": await list_entries_of(sources),
        "decisions": await fetch(
            """SELECT reason, decided_at, person.name FROM refund_decision JOIN person ON person.id = person
               WHERE purchase_order = $1 ORDER BY decided_at""",
            order_id,
        ),
    }


async def find_order_of(licence_id: uuid.UUID) -> uuid.UUID:
    """Return the order that a licence was sold by."""
    row = await fetch_one("SELECT purchase_order FROM licence WHERE id = $1", licence_id)
    if row is None:
        raise NotFound("There is no such licence.")
    order: uuid.UUID = row["purchase_order"]
    return order
