"""The list of orders, and finance's lists as files for a spreadsheet: the same rows as the page, all of them and in its order."""

from __future__ import annotations

from typing import Final

from litestar import Response, get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.desk.order_lists import ORDER_STATES, list_all_orders, list_orders
from marketplace.finance import queries
from marketplace.finance.base_pages import why
from marketplace.finance.write_offs import list_all_write_offs
from marketplace.identity.guards import expect
from marketplace.ledger.base_pages import READERS, Page, Text, books_page, named
from marketplace.web.formats import paris_day
from marketplace.web.i18n import gettext
from marketplace.web.sorting import as_file, euros

ORDER_HEADINGS: Final = ("Number", "Partner", "Total", "State", "Date")
MOVEMENT_HEADINGS: Final = ("Date", "Transaction", "Category", "Amount", "Fee", "Net", "Currency", "Entry", "Order")
WRITE_OFF_HEADINGS: Final = ("What", "Reference", "Amount", "Reason", "Proposed by", "Date", "Decided by", "State")


@get("/finance/orders", guards=READERS, opt=expect("finance", "auditor"))
async def orders(number: Text = "", which: Text = "", sort: Text = "", page_number: Page = 1) -> Template:
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


@get("/finance/write-offs.csv", guards=READERS, opt=expect("finance", "auditor"))
async def write_offs_file(which: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out write-offs as a file, narrowed and sorted as their page is."""
    cells = [
        (
            why(row.why),
            row.reference,
            "" if row.amount_minor is None else euros(row.amount_minor),
            row.reason,
            row.proposer,
            paris_day(row.proposed_at),
            row.decider or "",
            "" if row.approved is None else gettext("approved" if row.approved else "refused"),
        )
        for row in await list_all_write_offs(which, sort)
    ]
    return as_file("write-offs.csv", WRITE_OFF_HEADINGS, cells)


ROUTES = [orders, orders_file, transactions_file, write_offs_file]
