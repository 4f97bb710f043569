"""The list of orders, and finance's lists as files for a spreadsheet: the same rows as the page, all of them and in its order."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.sorting import as_file, euros
from marketplace.finance.desk.order_lists import ORDER_STATES, list_all_orders, list_orders
from marketplace.finance.reconciliation import queries
from marketplace.money.ledger.base_pages import READERS, Text, books_page, named
from marketplace.people.identity.guards import expect

ORDER_HEADINGS: Final = ("Number", "Partner", "Total", "State", "Date")
MOVEMENT_HEADINGS: Final = ("Date", "Transaction", "Category", "Amount", "Fee", "Net", "Currency", "Entry", "Order")


@get("/finance/orders", guards=READERS, opt=expect("finance", "auditor"))
async def orders(number: Text = "", which: Text = "", sort: Text = "", page_number: PageNumber = 1) -> Template:
    """List every partner's orders, of all states or one, in an order that the headings give."""
    found = await list_orders(page_number, number.strip(), which, sort)
    return books_page("desk/orders.html", orders=found, number=number, which=which, sort=sort, states=ORDER_STATES)


@get("/finance/orders.csv", guards=READERS, opt=expect("finance", "auditor"))
async def orders_file(number: Text = "", which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out orders as a file, narrowed and sorted as their page is."""
    rows = await list_all_orders(number.strip(), which, sort)
    cells = [
        (row.number, row.company, euros(row.total_minor), named(row.state), paris_day(row.ordered_at)) for row in rows
    ]
    return as_file("orders.csv", ORDER_HEADINGS, cells)


@get("/finance/transactions.csv", guards=READERS, opt=expect("finance", "auditor"))
async def transactions_file(category: Text = "") -> Response[bytes]:
    """Hand out Stripe's transactions as a file, of all categories or one."""
    rows = await queries.list_all_movements(category)
    cells = [
        (
            paris_day(row.created_at),
            row.id,
            named(row.category),
            *map(euros, (row.amount_minor, row.fee_minor, row.net_minor)),
            row.currency,
            row.entry or "",
            row.number or "",
        )
        for row in rows
    ]
    return as_file("transactions.csv", MOVEMENT_HEADINGS, cells)


ROUTES = [orders, orders_file, transactions_file]
