"""Lists of orders: narrowed and sorted by walking an index, so that a page costs the same however many were ever sold.

What narrows to few orders is looked up and sorted; else the order's own index is walked, and few rows of it are passed
over.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_rows
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS

SQL: Final = load_statements(__package__)
ORDERS_BY: Final = {
    "": "ordered_at DESC, purchase_order.id",
    "number": "number, purchase_order.id",
    "newest": "number DESC, purchase_order.id",
    "company": "lower(company), partner.id, ordered_at DESC, purchase_order.id",
    "total": "total_minor DESC, purchase_order.id",
    "state": "state, ordered_at DESC, purchase_order.id",
}
"""What a list of orders is sorted by → SQL; each is an index, or few rows of one for each state or partner."""
ORDER_STATES: Final = ("awaiting_payment", "paid", "lapsed", "refunded", "charged_back")
WALKED: Final = {
    "number": SQL["list_orders_by_number"],
    "newest": SQL["list_orders_by_number"],
    "total": SQL["list_orders_by_total"],
    "company": SQL["list_orders_by_company"],
}
"""Which statement walks the index of an order; the others' are those of days."""
FEW: Final = 2_000
"""Orders that are looked up and sorted in milliseconds."""
YEARS: Final = 12
"""How many years back the digits of a number are looked for: for longer nobody keeps an order."""
AFTER_ANY: Final = "~"
"""Sorts after every sign of a number."""


class OrderLine(Struct, frozen=True):
    """An order in a list; its total in cents."""

    id: uuid.UUID
    number: str
    company: str
    total_minor: int
    currency: str
    state: str
    ordered_at: dt.datetime


class Few(Struct, frozen=True):
    """Few orders, and what the number of those must begin with that are wanted."""

    ids: list[uuid.UUID]
    begins: str


async def list_orders(
    page: int = 1, number: str = "", state: str = "", sort: str = "", *, few: int = FEW
) -> Paged[OrderLine]:
    """Return orders in an order of `ORDERS_BY`, newest first where it names none.

    `number` narrows to those of that number, whose number begins so, with its letter or without, or has these digits
    after its year; `state` to those of one state. Up to `few` orders are looked up and sorted, more are walked.
    """
    return paged(await _list_orders((number, state), sort, PAGE_SIZE + 1, offset(page), few), page)


async def list_all_orders(number: str = "", state: str = "", sort: str = "") -> list[OrderLine]:
    """Return the same as `list_orders`, up to `LARGEST_FILE_ROWS` in one list."""
    return await _list_orders((number, state), sort, LARGEST_FILE_ROWS, 0, FEW)


def numbers_meant(text: str, letter: str, now: dt.datetime) -> tuple[list[str], str]:
    """Return the numbers of a letter's series that digits may be the end of, and what numbers begin with that begin so."""
    wanted = text.strip().upper()
    begins = wanted if wanted.startswith(letter) else f"{letter}-{wanted}"
    if not (wanted.isascii() and wanted.isdigit()):
        return [], begins
    return [
        f"{letter}-{year}-{wanted.lstrip('0').zfill(6)}" for year in range(now.year + 1 - YEARS, now.year + 2)
    ], begins


async def _list_orders(narrowed: tuple[str, str], sort: str, limit: int, skipped: int, most: int) -> list[OrderLine]:
    number, state = narrowed
    if state and state not in ORDER_STATES:
        return []
    exact, begins = numbers_meant(number, "P", clock.now()) if number else ([], "")
    states = [state] if state else list(ORDER_STATES)
    few = await _find_few(exact, begins, state, most)
    if few is not None:
        sql = f"{SQL['list_found_orders']} ORDER BY {ORDERS_BY.get(sort, ORDERS_BY[''])} LIMIT $1 OFFSET $2"
        return await fetch_rows(OrderLine, sql, limit, skipped, few.ids, states, few.begins)
    if number and sort not in ORDERS_BY:
        sort = "newest"
    walked = WALKED.get(sort, SQL["list_orders_in_state"] if state else SQL["list_orders"])
    sql = f"{walked} ORDER BY {ORDERS_BY.get(sort, ORDERS_BY[''])} LIMIT $1 OFFSET $2"
    return await fetch_rows(OrderLine, sql, limit, skipped, begins, states)


async def _find_few(exact: list[str], begins: str, state: str, most: int) -> Few | None:
    """Return the orders that a number, else a state, narrows to, where these are few; else None."""
    if begins:
        found = await fetch_column(uuid.UUID, SQL["find_numbered_orders"], exact, begins, begins + AFTER_ANY, most + 1)
        if len(found) <= most:
            return Few(found, "")
    if state:
        found = await fetch_column(uuid.UUID, SQL["find_orders_in_state"], state, most + 1)
        if len(found) <= most:
            return Few(found, begins)
    return None
