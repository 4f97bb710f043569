"""Reconciliation: what Stripe shows and the books do not, or the other way round, is named with its reason."""

import asyncio
import uuid
from typing import Any

import msgspec
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import NotFound, Unavailable
from marketplace.finance.desk.order_lists import list_orders
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.exception_queries import count_exceptions, get_exception, list_exceptions
from marketplace.finance.reconciliation.queries import (
    get_figures,
    get_movement,
    get_order,
    last_run,
    list_cash,
    list_movements,
    list_runs,
)
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.stripe_calls import run_commands
from tests.finance.builders import sales
from tests.support.reads import fetch, fetch_value


async def reasons_in_queue() -> list[str]:
    """Return the reasons in the queue; each exception is the same where it is looked for alone."""
    rows = (await list_exceptions()).rows
    singly = [await get_exception(row.why, row.subject) for row in rows]
    assert [
        msgspec.structs.replace(row, weight=found.weight) for row, found in zip(rows, singly, strict=True)
    ] == singly
    return sorted(row.why for row in rows)


async def pay_at_stripe(stripe: Any) -> uuid.UUID:
    """Order and pay at Stripe, and learn of it."""
    order = await sales.write_order()
    await run_commands()
    session = (await get_payment(order)).session_id
    await asyncio.to_thread(stripe.test, "pay", session=session, token="tok_bypassPending")
    await sweep_events()
    await handle_events()
    return order


async def test_an_honest_sale_matches_to_the_cent(stripe: Any) -> None:
    await sales.write_shop()
    order = await pay_at_stripe(stripe)
    await mirror_balance()
    assert await reasons_in_queue() == ["charge_without_sale"], "paid, not settled yet"
    licence = await sales.write_settled(order)
    await reconcile()
    row = await last_run()
    assert (row.stripe_minor, row.ledger_minor, row.unmatched) == (12_000 - 205, 12_000 - 205, 0)
    assert await reasons_in_queue() == []
    await sales.hold_shares(licence)
    figures = await get_figures()
    assert msgspec.structs.asdict(figures) == {
        "asked": 12_000,
        "collected": 12_000,
        "sent": 0,
        "arrived": 0,
        "stripe": 11_795,
        "transfers": 0,
        "bank": 0,
        "suspense": 0,
        "held_for_subscribers": 4_897,
        "payable": 0,
        "operator": 3_428,
        "vat": 2_000,
        "sold": 10_000,
    }
    cash = await list_cash(clock.now())
    assert len(cash) == 12
    assert [(row.in_minor, row.out_minor) for row in cash] == [(0, 0)] * 11 + [(12_000, 205)]
    (movement,) = (await list_movements()).rows
    assert movement.order_id == order
    assert [entry.id for entry in (await get_movement(movement.id))[1]] == [movement.entry]
    shown = await get_order(order)
    assert {entry.kind for entry in shown.entries} == {"sale", "stripe_charge", "shares_held"}
    assert [row.number for row in (await list_orders(number=shown.order.number[2:6].lower())).rows] == [
        shown.order.number
    ]
    assert (await list_orders(number="nothing")).rows == []
    with pytest.raises(NotFound):
        await get_order(uuid.uuid4())
    with pytest.raises(NotFound):
        await get_movement("txn_none")


async def test_every_reason_is_named(stripe: Any) -> None:
    assert stripe
    await sales.write_shop()
    unseen = await sales.write_sold_order()
    assert await reasons_in_queue() == ["sale_without_charge"]
    await sales.mirror_charge(unseen)
    assert await reasons_in_queue() == []
    await sales.write_refund(unseen)
    assert await reasons_in_queue() == ["refund_without_movement"]
    await execute("UPDATE payment SET refunded_minor = 0 WHERE subject = $1", unseen)
    assert await reasons_in_queue() == ["refund_failed", "refund_without_movement"]
    await execute("UPDATE payment SET refunded_minor = amount_minor WHERE subject = $1", unseen)
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, currency, source_id,
                                            payment_subject, status, created_at, available_on)
           SELECT id, category, amount, 0, amount, currency, id, subject::uuid, 'available', now(), now()
           FROM (VALUES ('t1', 'refund', -12000, 'EUR', $1::text), ('t2', 'contribution', -1, 'EUR', NULL),
                        ('t3', 'fee', -2, 'USD', NULL), ('t4', 'charge', 500, 'EUR', NULL),
                        ('t5', 'refund', -7, 'EUR', NULL), ('t6', 'dispute', -9, 'EUR', NULL)
                ) AS made (id, category, amount, currency, subject)""",
        str(unseen),
    )
    assert sorted(set(await reasons_in_queue())) == [
        "charge_without_payment",
        "dispute_open",
        "not_posted",
        "other_currency",
        "refund_without_entry",
        "unknown_category",
    ]
    await execute("DELETE FROM balance_transaction WHERE id <> 't1' AND id LIKE 't_'")
    await execute("UPDATE balance_transaction SET payout_id = 'po_1' WHERE id = 't1'")
    await execute(
        "INSERT INTO stripe_event (id, type, payload, came_by, received_at, created_at, handled_at, error) VALUES ('evt_1', 'x', '{}', 'sweep', now(), now(), now(), 'No payment of ours.')"
    )
    await execute("UPDATE stripe_command SET state = 'failed', error = 'No.' WHERE subject = $1", unseen)
    await execute(
        "INSERT INTO reconciliation (at, stripe_minor, ledger_minor, unmatched) VALUES ($1, 5, 6, 0)", clock.now()
    )
    assert await reasons_in_queue() == [
        "balance_differs",
        "command_failed",
        "event_failed",
        "not_posted",
        "payout_differs",
    ]
    assert await count_exceptions() == 4


async def test_a_charge_for_another_amount_or_without_an_order() -> None:
    await sales.write_shop()
    order = await sales.write_sold_order()
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, payment_subject,
                                            status, created_at, available_on)
           VALUES ('t1', 'charge', 11999, 0, 11999, $1, 'available', now(), now()),
                  ('t2', 'charge', 12000, 0, 12000, $2, 'available', now(), now())""",
        order,
        uuid.uuid4(),
    )
    assert await reasons_in_queue() == ["charge_differs", "charge_without_order", "not_posted", "not_posted"]


async def test_a_difference_that_stays_is_recorded(stripe: Any) -> None:
    stripe.test("fee", amount=200, description="x")
    await reconcile()
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, currency, status,
                                            created_at, available_on)
           VALUES ('txn_ghost', 'fee', -7, 0, -7, 'EUR', 'available', now(), now())"""
    )
    await reconcile()
    first, second = (await list_runs()).rows[::-1]
    assert (first.stripe_minor, first.ledger_minor) == (-200, -200)
    assert (second.stripe_minor, second.ledger_minor) == (-200, -207)
    assert await reasons_in_queue() == ["balance_differs"]


async def test_a_silent_stripe_records_nothing(stripe: Any) -> None:
    stripe.test("fault", kind="status", status=503, path="/v1/balance.*", times=10)
    with pytest.raises(Unavailable, match="try again in a minute") as refused:  # a job writes it in one line
        await reconcile()
    assert "503" in refused.value.cause
    assert await fetch_value("SELECT count(*) FROM reconciliation") == 0


async def test_exceptions_are_paged() -> None:
    await execute(
        """INSERT INTO balance_transaction (id, category, amount_minor, fee_minor, net_minor, status, created_at,
                                            available_on)
           SELECT 'txn_' || n, 'contribution', -n, 0, -n, 'available', now() - interval '9 d', now()
           FROM generate_series(1, 60) AS n"""
    )
    pages = [await list_exceptions(n) for n in (1, 2, 3)]
    assert [len(page.rows) for page in pages] == [25, 25, 10]
    assert pages[0].rows[0].reference == "txn_60"
    assert [page.more for page in pages] == [True, True, False]
    assert [page.reasons for page in pages] == [[("unknown_category", 60)]] * 3
    ages = [(age.exceptions, age.amount_minor) for age in pages[2].ages]
    assert ages == [(0, 0), (0, 0), (60, 60 * 61 // 2), (0, 0), (0, 0)]
    assert (await list_exceptions(why="not_posted")).rows == []
    assert await fetch("SELECT 1 FROM journal_entry") == []
