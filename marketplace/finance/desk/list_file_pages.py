"""The list of orders, and finance's lists as files for a spreadsheet: the same rows as the page, all of them and in its order."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import PageNumber  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.sorting import Columns, euros, list_file
from marketplace.finance.desk.order_lists import ORDER_STATES, OrderLine, list_all_orders, list_orders
from marketplace.finance.reconciliation import queries
from marketplace.money.ledger.base_pages import READERS, Text, books_page, named
from marketplace.people.identity.guards import expect

ORDER_COLUMNS: Final[Columns[OrderLine]] = {
    "Number": lambda row: row.number,
    "Partner": lambda row: row.company,
    "Total": lambda row: euros(row.total_minor),
    "State": lambda row: named(row.state),
    "Date": lambda row: paris_day(row.ordered_at),
}
MOVEMENT_COLUMNS: Final[Columns[queries.MovementLine]] = {
    "Date": lambda row: paris_day(row.created_at),
    "Transaction": lambda row: row.id,
    "Category": lambda row: named(row.category),
    "Amount": lambda row: euros(row.amount_minor),
    "Fee": lambda row: euros(row.fee_minor),
    "Net": lambda row: euros(row.net_minor),
    "Currency": lambda row: row.currency,
    "Entry": lambda row: row.entry or "",
    "Order": lambda row: row.number or "",
}


@get("/finance/orders", guards=READERS, opt=expect("finance", "auditor"))
async def orders(number: Text = "", which: Text = "", sort: Text = "", page_number: PageNumber = 1) -> Template:
    """List every partner's orders, of all states or one, in an order that the headings give."""
    found = await list_orders(page_number, number.strip(), which, sort)
    return books_page("desk/orders.html", orders=found, number=number, which=which, sort=sort, states=ORDER_STATES)


@get("/finance/orders.csv", guards=READERS, opt=expect("finance", "auditor"))
async def orders_file(number: Text = "", which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out orders as a file, narrowed and sorted as their page is."""
    return list_file("orders.csv", ORDER_COLUMNS, await list_all_orders(number.strip(), which, sort))


@get("/finance/transactions.csv", guards=READERS, opt=expect("finance", "auditor"))
async def transactions_file(category: Text = "") -> Response[bytes]:
    """Hand out Stripe's transactions as a file, of all categories or one."""
    return list_file("transactions.csv", MOVEMENT_COLUMNS, await queries.list_all_movements(category))


ROUTES = [orders, orders_file, transactions_file]
