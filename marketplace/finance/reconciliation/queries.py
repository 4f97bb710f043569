"""What finance sees: figures, comparisons, the orders and transactions behind the books."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_row, fetch_rows, fetch_scalar, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.finance.reconciliation.tables import Reconciliation
from marketplace.money.ledger import chart
from marketplace.money.ledger.actions import RecordedFact
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS, EntryOf, list_entries_of, trial_balance
from marketplace.money.payments.queries import (
    CommandRow,
    MovementRow,
    StuckCommand,
    list_commands,
    list_movements_of,
    list_stuck_commands,
)
from marketplace.people.proposals.queries import ProposalRow, list_proposals_about
from marketplace.sales.orders.invoices import InvoiceRow, list_invoices
from marketplace.sales.orders.queries import NumberedOrder
from marketplace.sales.orders.tables import Licence, Order, OrderReturn
from pricing.money import EUR

SQL: Final = load_statements(__package__)


class MovementLine(Struct, frozen=True):
    """One of Stripe's balance transactions in a list, in cents, with the entry that posts it and its order, if any."""

    id: str
    category: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    created_at: dt.datetime
    entry: int | None
    order_id: uuid.UUID | None
    number: str | None


class Movement(Struct, frozen=True):
    """One of Stripe's balance transactions, in cents, with its order, if any."""

    id: str
    category: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    source_id: str | None
    payout_id: str | None
    status: str
    created_at: dt.datetime
    available_on: dt.datetime
    order_id: uuid.UUID | None
    number: str | None


class Comparison(Struct, frozen=True):
    """One comparison of our books with Stripe's balance, both in cents, and how many exceptions there were."""

    id: int
    at: dt.datetime
    stripe_minor: int
    ledger_minor: int
    unmatched: int


class Figures(Struct, frozen=True):
    """The figures of the overview, in cents: what is owed to whom reads as positive."""

    asked: int
    collected: int
    sent: int
    arrived: int
    stripe: int
    transfers: int
    bank: int
    suspense: int
    held_for_subscribers: int
    payable: int
    operator: int
    vat: int
    sold: int


class CashMonth(Struct, frozen=True):
    """The cents that came in and went out in a month, named by its first day."""

    month: dt.date
    in_minor: int
    out_minor: int


class UnknownCategory(Struct, frozen=True):
    """A category of Stripe's without an account: how many transactions wait for one, their net in cents, the first's instant."""

    category: str
    movements: int
    net_minor: int
    first_at: dt.datetime


class OrderRow(Struct, frozen=True):
    """An order with its payment, and its lots' licences and splits together, as far as there are any; amounts in cents."""

    id: uuid.UUID
    number: str
    state: str
    net_minor: int
    vat_minor: int
    vat_basis_points: int
    total_minor: int
    currency: str
    ordered_at: dt.datetime
    paid_at: dt.datetime | None
    returned_minor: int
    charged_back_minor: int
    company: str
    payment_state: str | None
    refunded_minor: int | None
    dataset: str
    title_fr: str
    title_en: str
    licences: list[uuid.UUID]
    hold_until: dt.datetime | None
    cancelled_at: dt.datetime | None
    split_state: str | None
    fee_minor: int | None
    pool_minor: int | None
    operator_minor: int | None
    platform_minor: int | None


class ReturnOf(Struct, frozen=True):
    """A return of an order's money: `kind` is refund, dispute or failure."""

    id: uuid.UUID
    kind: str


class WholeOrder(Struct, frozen=True):
    """An order with everything money did for it."""

    order: OrderRow
    movements: Sequence[MovementRow]
    invoices: Sequence[InvoiceRow]
    commands: Sequence[CommandRow]
    entries: Sequence[EntryOf]
    decisions: Sequence[ProposalRow]


async def list_movements(page: int = 1, category: str = "") -> Paged[MovementLine]:
    """Return Stripe's balance transactions with the entry that posts each and the order it belongs to, newest first.

    `category` narrows to those of one of Stripe's categories.
    """
    rows = await fetch_rows(MovementLine, SQL["list_movements"], PAGE_SIZE + 1, offset(page), category)
    return paged(rows, page)


async def list_all_movements(category: str = "") -> list[MovementLine]:
    """Return the same as `list_movements`, up to `LARGEST_FILE_ROWS` in one list."""
    return await fetch_rows(MovementLine, SQL["list_movements"], LARGEST_FILE_ROWS, 0, category)


async def list_categories() -> list[str]:
    """Return the categories that ever moved Stripe's balance, by name."""
    return await fetch_column(str, SQL["list_categories"])


async def list_runs(page: int = 1) -> Paged[Comparison]:
    """Return past comparisons, newest first."""
    latest = select(Comparison, Reconciliation).order_by(Reconciliation.id, ascending=False)
    return paged(await fetch_rows(Comparison, latest.limit(PAGE_SIZE + 1).offset(offset(page))), page)


async def last_run() -> Comparison | None:
    """Return the latest comparison of Stripe's balance with the books."""
    latest = select(Comparison, Reconciliation).order_by(Reconciliation.id, ascending=False)
    return await fetch_row(Comparison, latest.limit(1))


async def get_figures() -> Figures:
    """Return the figures of the overview."""
    moved = {row.code: row for row in await trial_balance()}
    balances = {code: row.balance_minor for code, row in moved.items()}
    return Figures(
        asked=moved[chart.PARTNERS].debit_minor,
        collected=moved[chart.PARTNERS].credit_minor,
        sent=moved[chart.SUBSCRIBERS_IN_TRANSIT].credit_minor,
        arrived=moved[chart.SUBSCRIBERS_IN_TRANSIT].debit_minor,
        stripe=balances[chart.STRIPE],
        transfers=balances[chart.TRANSFERS],
        bank=balances[chart.BANK],
        suspense=-balances[chart.SUSPENSE],
        held_for_subscribers=-balances[chart.SUBSCRIBERS_HELD],
        payable=-balances[chart.SUBSCRIBERS_PAYABLE],
        operator=-balances[chart.OPERATOR_PAYABLE],
        vat=-balances[chart.VAT_COLLECTED] - balances[chart.VAT_RECLAIMED],
        sold=-balances[chart.LICENCES_SOLD],
    )


async def list_cash(now: dt.datetime) -> list[CashMonth]:
    """Return a row for each of the last twelve months in Paris: what came to Stripe or the bank, and what left, in cents.

    What moves between the two is neither, and an account's opening balance came before the books. A bank line counts
    once it is explained: until then it may be either.
    """
    cash = [chart.STRIPE, chart.TRANSFERS, chart.BANK, chart.SUSPENSE]
    return await fetch_rows(CashMonth, SQL["list_cash"], cash, now)


async def get_movement(movement_id: str) -> tuple[Movement, list[EntryOf]]:
    """Return one balance transaction with its order, and its entries; refuses NotFound."""
    row = existing(
        await fetch_row(Movement, SQL["find_movement"], movement_id),
        NotFound("There is no Stripe transaction {id}.", id=movement_id),
    )
    return row, await list_entries_of([(f"stripe_{row.category}", movement_id)])


async def get_order(order_id: uuid.UUID) -> WholeOrder:
    """Return an order with everything money did for it: payment, commands, movements, split and journal entries."""
    order = existing(await fetch_row(OrderRow, SQL["find_order"], order_id), NotFound("There is no such order."))
    movements = await list_movements_of(order_id)
    sources = [("sale", str(order_id)), *await _returns_of(order_id)]
    sources += [(f"stripe_{movement.category}", movement.id) for movement in movements]
    for licence in order.licences:
        sources += await _shares_of(licence)
    return WholeOrder(
        order,
        movements,
        await list_invoices(order_id),
        await list_commands(order_id),
        await list_entries_of(sources),
        await list_proposals_about("refund", str(order_id)),
    )


async def _returns_of(order_id: uuid.UUID) -> list[tuple[str, str]]:
    """Return the sources of the entries of an order's returns."""
    of_order = select(ReturnOf, OrderReturn).where(OrderReturn.purchase_order == order_id)
    rows = await fetch_rows(ReturnOf, of_order.order_by(OrderReturn.at, OrderReturn.id))
    return [("dispute_lost" if row.kind == "dispute" else "refund", str(row.id)) for row in rows]


async def _shares_of(licence_id: uuid.UUID) -> list[tuple[str, str]]:
    """Return the sources of the entries of a licence's shares, of every split it had."""
    rows = await fetch_rows(
        RecordedFact,
        "SELECT kind, source_id FROM journal_entry WHERE starts_with(kind, 'shares_') AND source_id = $1 "
        "OR starts_with(kind, 'shares_') AND source_id >= $1 || '/' AND source_id < $1 || '0' ORDER BY id",
        str(licence_id),
    )
    return [(row.kind, row.source_id) for row in rows]


async def get_order_of(licence_id: uuid.UUID) -> uuid.UUID:
    """Return the order that a licence was sold by; refuses NotFound."""
    return existing(
        await fetch_scalar(uuid.UUID, Licence.select(Licence.purchase_order).where(Licence.id == licence_id)),
        NotFound("There is no such licence."),
    )


async def list_stuck(state: str = "", sort: str = "", limit: int = 200) -> list[tuple[StuckCommand, str | None]]:
    """Return the commands that Stripe has not done, each with the number of the order it is about, as asked there."""
    found = await list_stuck_commands(limit, state, sort)
    subjects = [row.subject for row in found]
    numbers = (
        await fetch_rows(NumberedOrder, select(NumberedOrder, Order).where(Order.id.is_in(subjects)))
        if subjects
        else []
    )
    number_of = {row.id: row.number for row in numbers}
    return [(row, number_of.get(row.subject)) for row in found]


async def list_unknown_categories(known: list[str]) -> list[UnknownCategory]:
    """Return the categories outside `known` that moved Stripe's balance, by name."""
    return await fetch_rows(UnknownCategory, SQL["list_unknown_categories"], known, EUR)
