"""What finance sees: figures, comparisons, the orders and transactions behind the books."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import asdict

from marketplace.database import fetch, fetch_one
from marketplace.errors import NotFound
from marketplace.ledger import chart
from marketplace.ledger.queries import list_entries_of, trial_balance
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.payments.queries import list_commands, list_movements_of, list_stuck_commands
from marketplace.purchases.invoices import list_papers

if TYPE_CHECKING:
    import datetime as dt
    import uuid

    import asyncpg


async def list_movements(page: int = 1) -> Paged[Any]:
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


async def list_runs(page: int = 1) -> Paged[Any]:
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
    moved = {row.code: row for row in await trial_balance()}
    balances = {code: row.balance_minor for code, row in moved.items()}
    return {
        "asked": moved[chart.PARTNERS].debit_minor,
        "collected": moved[chart.PARTNERS].credit_minor,
        "sent": moved[chart.SUBSCRIBERS_IN_TRANSIT].credit_minor,
        "arrived": moved[chart.SUBSCRIBERS_IN_TRANSIT].debit_minor,
        "stripe": balances[chart.STRIPE],
        "transfers": balances[chart.TRANSFERS],
        "bank": balances[chart.BANK],
        "suspense": -balances[chart.SUSPENSE],
        "held": -balances[chart.SUBSCRIBERS_HELD],
        "payable": -balances[chart.SUBSCRIBERS_PAYABLE],
        "operator": -balances[chart.OPERATOR_PAYABLE],
        "vat": -balances[chart.VAT_COLLECTED],
        "sold": -balances[chart.LICENCES_SOLD],
    }


async def list_cash(now: dt.datetime) -> list[asyncpg.Record]:
    """Return a row for each of the last twelve months in Paris: what came to Stripe or the bank, and what left, in cents.

    What moves between the two is neither, and an account's opening balance came before the books. A bank line counts
    once it is explained: until then it may be either.
    """
    return await fetch(
        """WITH span AS (
               SELECT date_trunc('month', $2 AT TIME ZONE 'Europe/Paris') - interval '11 months' AS first,
                      date_trunc('month', $2 AT TIME ZONE 'Europe/Paris') AS last
           ), flow AS (
               SELECT date_trunc('month', at AT TIME ZONE 'Europe/Paris') AS month, debit = ANY($1) AS is_in, amount_minor
               FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
               WHERE (debit = ANY($1)) <> (credit = ANY($1)) AND kind <> 'bank_opening'
                 AND at >= (SELECT first AT TIME ZONE 'Europe/Paris' FROM span)
           )
           SELECT month::date AS month, coalesce(sum(amount_minor) FILTER (WHERE is_in), 0)::bigint AS in_minor,
                  coalesce(sum(amount_minor) FILTER (WHERE NOT is_in), 0)::bigint AS out_minor
           FROM span CROSS JOIN generate_series(first, last, interval '1 month') AS month
           LEFT JOIN flow USING (month) GROUP BY month ORDER BY month""",
        [chart.STRIPE, chart.TRANSFERS, chart.BANK, chart.SUSPENSE], now,
    )  # fmt: skip


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


async def list_orders(page: int = 1, number: str = "") -> Paged[Any]:
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
    backs = await fetch("SELECT id, kind FROM order_return WHERE purchase_order = $1 ORDER BY at, id", order_id)
    sources = [("sale", str(order_id))]
    sources += [("dispute_lost" if back["kind"] == "dispute" else "refund", str(back["id"])) for back in backs]
    sources += [(f"stripe_{movement.category}", movement.id) for movement in movements]
    if order["licence_id"]:
        named = await fetch(
            "SELECT kind, source_id FROM journal_entry WHERE starts_with(kind, 'shares_') AND source_id = $1 "
            "OR starts_with(kind, 'shares_') AND source_id >= $1 || '/' AND source_id < $1 || '0' ORDER BY id",
            str(order["licence_id"]),
        )
        sources += [(row["kind"], row["source_id"]) for row in named]
    return {
        **order,
        "movements": movements,
        "papers": await list_papers(order_id),
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


async def list_stuck() -> list[dict[str, Any]]:
    """Return the commands that Stripe has not done, oldest first, each with the number of the order it is about."""
    found = await list_stuck_commands()
    orders = await fetch("SELECT id, number FROM purchase_order WHERE id = ANY ($1)", [row.subject for row in found])
    numbers = {row["id"]: row["number"] for row in orders}
    return [{**asdict(row), "order": numbers.get(row.subject)} for row in found]
