"""Reconciling a month at size, four ways, against one set-based join of the same tables in the same run.

`python3 tests bench reconcile` prints `reconcile month RATIO …`: 20,000 orders with refunds, disputes and fees, their
balance transactions, entries, payouts and bank lines; payouts are matched with the bank and everything unmatched is
looked for, over a join that only puts each order beside its movement, entries, payout and bank line and adds up.
RECONCILE_ORDERS=1000000 measures a large month; the ratio must be 2 at most. Then the invoices of these orders are
loaded with their transmissions and reports, and every page that finance reads is opened over that month: `month page
MS …` is the slowest, and it ends with 1 unless that is 50 at most.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks import _finance_pages
from tests.support.reads import fetch, fetch_value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

ORDERS, ROUNDS = 20_000, 5

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


def main(*, peers: bool = False) -> None:
    """Run it; `peers` changes nothing, for the peer is the database's own join."""
    del peers
    from marketplace.embedded.postgres import EmbeddedPostgres  # noqa: PLC0415 (the environment is set below)
    from marketplace.settings import settings  # noqa: PLC0415

    orders = int(os.environ.get("RECONCILE_ORDERS", str(ORDERS)))
    with tempfile.TemporaryDirectory(prefix="partage-reconcile-") as folder:
        Path(folder).chmod(0o755)
        os.environ["PARTAGE_STATE"] = str(Path(folder) / "state")
        os.environ["STAFF_SECOND_FACTOR"] = "0"  # pages are opened as a clerk with a password alone
        settings.cache_clear()
        with EmbeddedPostgres(Path(folder)) as server:
            whole, are_fast = asyncio.run(_measure(server.url(), orders, ""))
            server.run_sql("CREATE DATABASE planted OWNER partage")
            named, _ = asyncio.run(_measure(server.url("planted"), orders, "charge"))
    print(
        f"reconcile month {whole} × one set-based join of the same tables, {orders} orders, nothing unmatched; {named}"
    )
    if not are_fast:
        sys.exit(f"A page of finance has {_finance_pages.MOST_MS} ms.")


async def _measure(url: str, orders: int, plant: str) -> tuple[str, bool]:
    """Load a month and reconcile it; return what to print of it, or stop when it is not what it must be.

    And whether every page of finance is fast over it; of a planted month they are not asked.
    """
    from marketplace import database  # noqa: PLC0415
    from marketplace.bank.matching import match_stripe_payouts  # noqa: PLC0415
    from marketplace.finance.exception_queries import count_exceptions, list_exceptions  # noqa: PLC0415
    from migrations.runner import migrate  # noqa: PLC0415
    from tests.support.month import load_month, make_month  # noqa: PLC0415
    from tests.support.month_invoices import load_invoices  # noqa: PLC0415

    await database.open_pool(url)
    await migrate()
    month = make_month(orders, plant=plant)
    await load_month(month)
    unmatched, payouts = 0, 0

    async def reconcile() -> None:
        nonlocal unmatched, payouts
        payouts = await match_stripe_payouts()
        unmatched = await count_exceptions()

    try:
        if plant:
            await reconcile()
            rows = (await list_exceptions()).rows
            found = [(row.why, row.reference, row.amount_minor) for row in rows]
            if ("charge_differs", month.planted, 1) not in found or {about for _, about, _ in found} != {month.planted}:
                sys.exit(f"The planted cent was not found and named: {found}")
            return f"the planted cent named: {found[0][1]}", True
        ours = min([await _timed(reconcile) for _ in range(ROUNDS)])
        if unmatched or not payouts:
            sys.exit(f"{unmatched} unmatched of {orders} orders, {payouts} payouts matched")
        join = min([await _timed(lambda: fetch(JOIN)) for _ in range(ROUNDS)])
        await load_invoices()
        subjects = {name: await fetch_value(statement) for name, statement in SUBJECTS.items()} | {"code": "411000"}
        read = await _finance_pages.read_pages(subjects)
        are_fast = _finance_pages.report("month page", *read, f"{orders} orders")
    finally:
        await database.close_pool()
    return f"{ours / join:.2f} ({ours * 1000:.0f} ms; join {join * 1000:.0f} ms, {payouts} payouts matched)", are_fast


class UndoneError(Exception):
    """Undoes what was timed, so that the next round does the same."""


def _undo() -> None:
    raise UndoneError


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    """Return the seconds that `work` takes, and leave the database as it was."""
    from marketplace import database  # noqa: PLC0415

    spent = 0.0
    with contextlib.suppress(UndoneError):
        async with database.transaction():
            start = time.perf_counter()
            await work()
            spent = time.perf_counter() - start
            _undo()
    return spent


if __name__ == "__main__":
    sys.exit("Run it as: python3 tests bench reconcile")
