"""Payout runs and payouts in one list each, and what a text is found in."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows
from marketplace.core.statements import load_statements
from marketplace.finance.desk.order_lists import numbers_meant
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS
from marketplace.subscribers.payouts.queries import PAYOUTS_BY, RUNS_BY, RunPayoutRow, RunRow
from marketplace.subscribers.payouts.queries import SQL as PAYOUTS_SQL

if TYPE_CHECKING:
    from collections.abc import Sequence


SQL: Final = load_statements(__package__)
MOST_FOUND: Final = 10
"""Of each kind."""
SHORTEST: Final = 2
"""Characters of what is searched."""
LATEST: Final = 2_000
"""Entries and bank lines whose texts are searched: of no more is each read."""
LONGEST_ID: Final = 19
"""Digits that no entry's id has."""
NUMBERED: Final = ("P", "F", "A")
"""What numbers begin with: of orders, of invoices and of credit notes."""
FOUND: Final = {
    "order": "Orders",
    "partner": "Partners",
    "invoice": "Invoices",
    "entry": "Entries",
    "line": "Bank lines",
    "transaction": "Stripe’s transactions",
    "dataset": "Datasets, for sale or not",
    "offer": "Offers",
    "purpose": "Purposes",
    "request": "Requests for data",
    "auction": "Auctions",
    "call": "Calls for contributors",
    "share": "Your shares",
    "payout": "Your payouts",
    "choice": "What you consent to",
}
"""What is found in numbers and names, in words."""


class SearchHit(Struct, frozen=True):
    """Something in which a text was found."""

    kind: str
    title: str
    detail: str
    path: str
    at: dt.datetime | None


async def list_all_runs(state: str = "", sort: str = "") -> list[RunRow]:
    """Return payout runs, of a state unless it is empty, as their page sorts them, up to `LARGEST_FILE_ROWS` in one list."""
    sql = f"{PAYOUTS_SQL['runs_in_state']} ORDER BY {RUNS_BY.get(sort, RUNS_BY[''])}, payout_run.id LIMIT $2"
    return await fetch_rows(RunRow, sql, state, LARGEST_FILE_ROWS)


async def list_all_payouts(run: uuid.UUID, state: str = "", sort: str = "") -> list[RunPayoutRow]:
    """Return the payouts of a run as its page sorts them, up to `LARGEST_FILE_ROWS` in one list."""
    order = PAYOUTS_BY.get(sort, PAYOUTS_BY[""])
    sql = f"{PAYOUTS_SQL['list_run_payouts']} ORDER BY {order}, payout.id LIMIT $3"
    return await fetch_rows(RunPayoutRow, sql, run, state, LARGEST_FILE_ROWS)


async def search(text: str) -> Sequence[SearchHit]:
    """Return what a text is the number, name or reference of, or is in the text of, among the latest; nothing for one sign.

    Numbers are found by how they begin, with their letter or without, or by their digits after the year.
    """
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    now = clock.now()
    [orders, invoices, notes] = [numbers_meant(wanted, letter, now) for letter in NUMBERED]
    return await fetch_rows(
        SearchHit,
        SQL["search"],
        wanted,
        MOST_FOUND,
        [*orders[0], *invoices[0], *notes[0], wanted.upper()],
        [orders[1]],
        [invoices[1], notes[1]],
        _id_in(wanted),
        int(wanted) if wanted.isascii() and wanted.isdigit() and len(wanted) < LONGEST_ID else None,
        LATEST,
    )


def _id_in(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


async def search_stewarded(text: str, in_language: str) -> Sequence[SearchHit]:
    """Return of what stewards' pages list all that has a text in its code, title, place or name; nothing for one sign.

    in_language: fr or en, of the titles shown; both are searched.
    """
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    return await fetch_rows(SearchHit, SQL["search_stewarded"], wanted, MOST_FOUND, in_language)


async def search_own(partner: uuid.UUID, text: str, in_language: str) -> Sequence[SearchHit]:
    """Return the partner's own orders and invoices that have a text in their number or dataset's title; none for one sign.

    in_language: fr or en, of the titles shown; both are searched.
    """
    wanted = text.strip()
    if len(wanted) < SHORTEST:
        return []
    return await fetch_rows(SearchHit, SQL["search_own"], wanted, MOST_FOUND, partner, in_language)
