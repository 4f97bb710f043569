"""The desk: what waits for the person who looks, what is with others, and a file of it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.core.web import formats
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import in_words, localised, url
from marketplace.core.web.sorting import Columns, euros, in_order, list_file
from marketplace.finance.bank.queries import list_accounts as list_bank_accounts
from marketplace.finance.bank.queries import list_gaps
from marketplace.finance.desk import decision_pages, file_pages, find_pages, list_file_pages, run_file_pages
from marketplace.finance.reconciliation.base_pages import why
from marketplace.finance.reconciliation.exception_queries import (
    AGES,
    ExceptionRow,
    find_look,
    list_exceptions,
    list_exceptions_since,
)
from marketplace.finance.reconciliation.queries import get_figures, last_run, list_cash
from marketplace.finance.reconciliation.queue_pages import path_of
from marketplace.finance.task_kinds import TASKS, list_work
from marketplace.money.ledger.base_pages import READERS, Text, books_file, books_page
from marketplace.people.identity.guards import ActorRequest, expect
from marketplace.people.tasks.rules import by_weight

if TYPE_CHECKING:
    from collections.abc import Callable

    from marketplace.people.tasks.queries import Waiting
    from marketplace.people.tasks.rules import Row

ORDERS: Final[dict[str, Callable[[Row], Any]]] = {
    "amount": lambda row: -abs(row[1].amount_minor or 0),
    "age": lambda row: row[1].since,
}
"""How the desk can be sorted, apart from age × amount."""
EXCEPTION_COLUMNS: Final[Columns[ExceptionRow]] = {
    "Why": lambda row: why(row.why, row.detail),
    "Which": lambda row: row.reference,
    "Amount": lambda row: "" if row.amount_minor is None else euros(row.amount_minor),
    "Since": lambda row: paris_day(row.at),
    "Page": lambda row: settings().url + url(row.path) if row.path else "",
}
BEFORE_ALL: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@get("/finance", guards=READERS, opt=expect("finance", "auditor"))
async def overview(request: ActorRequest) -> Template:
    """Show what waits, how old the exceptions are, and where the money is."""
    unmatched = await list_exceptions(kept=True)
    return books_page(
        "desk/overview.html",
        why=why,
        waiting=await list_work(request.user),
        figures=await get_figures(),
        last=await last_run(),
        cash=await list_cash(clock.now()),
        month=formats.month,
        open=sum(number for _, number in unmatched.reasons),
        ages=unmatched.ages,
        looked_at=unmatched.looked_at,
        days=AGES,
        worst=unmatched.rows[:5],
        path_of=path_of,
        accounts=await list_bank_accounts(),
        gaps=await list_gaps(),
        may_act=request.user.role == "finance",
    )


@get("/finance/desk", guards=READERS, opt=expect("finance", "auditor"))
async def desk(request: ActorRequest, kind: Text = "", sort: Text = "") -> Template:
    """Show what waits for the person who asks, and what is with others; `kind` narrows it, `sort` is `amount` or `age`."""
    waiting = _of_kind(await list_work(request.user), kind)
    mine, others = _rows(waiting)
    return books_page(
        "desk/desk.html",
        mine=in_order(mine, sort, ORDERS),
        others=in_order(others, sort, ORDERS),
        count=sum(of_kind.count for of_kind in waiting),
        kinds=_kinds(),
        kind=kind,
        sort=sort,
        looked_at=await find_look(),
        may_act=request.user.role == "finance",
    )


@get("/finance/desk.csv", guards=READERS, opt=expect("finance", "auditor"))
async def desk_file(request: ActorRequest, kind: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out the same as a file for a spreadsheet, what the person can act on first."""
    mine, others = _rows(_of_kind(await list_work(request.user), kind))
    columns: Columns[Row] = {
        "What": lambda row: in_words(row[0].words),
        "Which": lambda row: localised(row[1], "title"),
        "Why": lambda row: row[1].sentence,
        "Amount": lambda row: "" if row[1].amount_minor is None else euros(row[1].amount_minor),
        "Since": lambda row: paris_day(row[1].since),
        "With": lambda row: row[1].with_name,
        "Page": lambda row: settings().url + url(row[1].path),
    }
    return list_file("desk.csv", columns, in_order(mine + others, sort, ORDERS))


async def _exceptions(which: str, _sort: str) -> list[ExceptionRow]:
    """Return every exception, by age × amount, of all reasons or of one."""
    found = [row for row in await list_exceptions_since(BEFORE_ALL) if which in ("", row.why)]
    return sorted(found, key=lambda row: (-row.weight, row.at, row.why, row.subject))


def _kinds() -> dict[str, str]:
    """Return what may wait for finance, in the page's language."""
    return {code: in_words(kind.words) for code, kind in TASKS.items() if "finance" in kind.roles}


def _of_kind(waiting: list[Waiting], kind: str) -> list[Waiting]:
    return [of_kind for of_kind in waiting if kind in ("", of_kind.kind.code)]


def _rows(waiting: list[Waiting]) -> tuple[list[Row], list[Row]]:
    """Return what the person can act on and what is with others, each by age × amount."""
    now = clock.now()
    mine = by_weight(((of_kind.kind, task) for of_kind in waiting for task in of_kind.mine), now)
    return mine, by_weight(((of_kind.kind, task) for of_kind in waiting for task in of_kind.others), now)


ROUTES = [
    overview,
    desk,
    desk_file,
    books_file("/finance/exceptions.csv", "exceptions.csv", EXCEPTION_COLUMNS, _exceptions),
    *decision_pages.ROUTES,
    *file_pages.ROUTES,
    *list_file_pages.ROUTES,
    *find_pages.ROUTES,
    *run_file_pages.ROUTES,
]
