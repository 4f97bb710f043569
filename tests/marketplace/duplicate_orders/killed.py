"""The scene of duplicate orders for `tests.support.dying`: each death is of another pair, both paid at Stripe."""

from __future__ import annotations

import uuid

import pyarrow.dataset  # noqa: F401 (once here, or for a second in every child)

from marketplace.catalogue import actions as catalogue
from marketplace.duplicate_orders.actions import decide_duplicates
from marketplace.invariants import broken
from marketplace.payments.balance import mirror_balance
from marketplace.payments.queries import find_open_page
from marketplace.payments.stripe_calls import run_commands
from marketplace.purchases.actions import order, settle_paid
from marketplace.purchases.refunds import record_refunds
from tests.marketplace.payments import scenes
from tests.marketplace.purchases import shop
from tests.support.reads import fetch, fetch_value


def pair(name: str) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """Return the quotes and orders of the subject of that name."""
    ids = [[uuid.uuid5(uuid.NAMESPACE_URL, f"{what} {n} {name}") for what in ("quote", "order")] for n in range(2)]
    return [(quote, its) for quote, its in ids]


async def pay_both(name: str) -> None:
    """Open both pages, pay on both, and have Stripe asked what was paid."""
    partner = await shop.make_buyer(f"buyer{name}")
    release = await fetch_value("SELECT id FROM release")
    for quote, its in pair(name):
        await catalogue.quote(partner, release, quote_id=quote)
        await order(partner, quote, order_id=its, email="x@partner.example")
    for _, its in pair(name):
        await shop.pay(await find_open_page(its) or "")
    await shop.jobs()


async def decide(name: str) -> None:
    """Decide, ask Stripe for the refund and record it."""
    del name
    await settle_paid()
    await decide_duplicates()
    await run_commands()
    await record_refunds()


async def check_one_is_kept(name: str) -> None:
    """Let the jobs run again: the one that was paid first is kept, the other one went back in full, once."""
    for _ in range(2):
        await decide(name)
    orders = [its for _, its in pair(name)]
    kept = await fetch(
        "SELECT state, returned_minor FROM purchase_order WHERE id = ANY ($1) ORDER BY paid_at, number", orders
    )
    assert [row["state"] for row in kept] == ["paid", "refunded"], kept
    paid = await fetch("SELECT received_minor - refunded_minor AS left FROM payment WHERE subject = ANY ($1)", orders)
    assert sorted(row["left"] > 0 for row in paid) == [False, True]
    asked = "SELECT count(*) FROM stripe_command WHERE verb = 'refund' AND subject = ANY ($1)"
    assert await fetch_value(asked, orders) == 1
    sent = "SELECT count(*) FROM message WHERE kind = 'paid_twice' AND source_id = ANY ($1)"
    assert await fetch_value(sent, [str(one) for one in orders]) == 1


async def check_whole() -> None:
    """Every invariant holds."""
    await mirror_balance()
    assert await broken() == []


FILES = ("duplicate_orders/actions.py", "purchases/refunds.py", "purchases/returns.py", "payments/stripe_calls.py")
SCENES = {"decide": scenes.hours_apart(pay_both, decide, check_one_is_kept, FILES, check_whole)}
