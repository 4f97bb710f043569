"""Reconciling a month at size, four ways, against one set-based join of the same tables in the same run.

`python3 tests bench reconcile` prints `reconcile month RATIO …`: 20,000 orders with refunds, disputes and fees, their
balance transactions, entries, payouts and bank lines; payouts are matched with the bank and everything unmatched is
looked for, over a join that only puts each order beside its movement, entries, payout and bank line and adds up.
`--size 1000000` measures a large month; the ratio must be 2 at most. Then the invoices of these orders are
loaded with their transmissions and reports, and every page that finance reads is opened over that month: `reconcile page
MS …` is the slowest, and it ends with 1 unless that is 50 at most.
"""

import contextlib
import functools
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from marketplace.core import database
from marketplace.finance.bank.matching import match_stripe_payouts
from marketplace.finance.reconciliation.exception_queries import count_exceptions, list_exceptions
from tests.benchmarks import _finance_pages
from tests.benchmarks._bench import Run, new_database, play_on_database
from tests.support.month import load_month, make_month
from tests.support.month_invoices import load_invoices
from tests.support.reads import fetch, fetch_value

SIZE, SMALLEST = 20_000, 500
"""Orders."""
ROUNDS = 5

JOIN = """
SELECT count(*), sum(total_minor), sum(movement.net_minor), sum(moved.amount_minor), sum(payout.net_minor), sum(bank_line.amount_minor),
       count(entitlement.id)
FROM purchase_order
JOIN licence ON licence.purchase_order = purchase_order.id
JOIN entitlement ON entitlement.licence = licence.id
JOIN journal_entry AS sale ON sale.kind = 'sale' AND sale.source_id = purchase_order.id::text
JOIN balance_transaction AS movement ON movement.payment_subject = purchase_order.id
JOIN journal_entry AS entry ON entry.kind = 'stripe_' || movement.category AND entry.source_id = movement.id
JOIN posting AS moved ON moved.entry = entry.id
JOIN balance_transaction AS payout ON payout.payout_id = movement.payout_id AND payout.category = 'payout'
JOIN bank_line ON bank_line.amount_minor = -payout.net_minor
"""
SUBJECTS = {
    "entry_id": "SELECT max(id) FROM journal_entry",
    "order_id": "SELECT id FROM purchase_order LIMIT 1",
    "licence_id": "SELECT id FROM licence LIMIT 1",
    "movement_id": "SELECT id FROM balance_transaction LIMIT 1",
    "line_id": "SELECT max(id) FROM bank_line",
    "statement_id": "SELECT max(id) FROM bank_statement",
    "transmission": "SELECT id FROM transmission WHERE state = 'deposited' LIMIT 1",
    "partner": "SELECT min(partner::text) FROM purchase_order",
}
"""What the pages of one subject are opened with."""


def main(run: Run) -> None:
    """Run it; the peer is the database's own join."""
    with run.marketplace() as place, new_database(place.server) as planted:
        ratio, spent = place.play(lambda: _measure(run))
        named = play_on_database(planted, functools.partial(_name_planted, run.size))
    against = f"× one set-based join of the same tables, {run.size} orders, nothing unmatched"
    run.figure("month", ratio, f"{against} {spent}; the planted cent named: {named}")


async def _measure(run: Run) -> tuple[str, str]:
    """Load a month and reconcile it, or stop when something is unmatched; return the ratio, and what it is of.

    Then every page of finance is opened over it.
    """
    await load_month(make_month(run.size))
    unmatched, payouts = 0, 0

    async def reconcile() -> None:
        nonlocal unmatched, payouts
        payouts = await match_stripe_payouts()
        unmatched = await count_exceptions()

    ours = min([await _timed(reconcile) for _ in range(ROUNDS)])
    if unmatched or not payouts:
        sys.exit(f"{unmatched} unmatched of {run.size} orders, {payouts} payouts matched")
    join = min([await _timed(lambda: fetch(JOIN)) for _ in range(ROUNDS)])
    await load_invoices()
    subjects = {name: await fetch_value(statement) for name, statement in SUBJECTS.items()} | {"code": "411000"}
    await _finance_pages.read_pages(run, subjects, f"{run.size} orders")
    return f"{ours / join:.2f}", f"({ours * 1000:.0f} ms; join {join * 1000:.0f} ms, {payouts} payouts matched)"


async def _name_planted(orders: int) -> str:
    """Reconcile a month in which a cent is wrong; return the charge that it is found at, or stop."""
    month = make_month(orders, plant="charge")
    await load_month(month)
    await match_stripe_payouts()
    found = [(row.why, row.reference, row.amount_minor) for row in (await list_exceptions()).rows]
    if ("charge_differs", month.planted, 1) not in found or {about for _, about, _ in found} != {month.planted}:
        sys.exit(f"The planted cent was not found and named: {found}")
    return month.planted


class RoundUndoneError(Exception):
    """Undoes what was timed, so that the next round does the same."""


def _undo() -> None:
    raise RoundUndoneError


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    """Return the seconds that `work` takes, and leave the database as it was."""
    spent = 0.0
    with contextlib.suppress(RoundUndoneError):
        async with database.transaction():
            start = time.perf_counter()
            await work()
            spent = time.perf_counter() - start
            _undo()
    return spent
