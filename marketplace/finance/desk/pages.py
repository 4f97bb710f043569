"""The desk: what waits for the person who looks, what is with others, a file of it, and the search."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from litestar import Response, get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.core.web.formats import paris_day
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import in_words, url
from marketplace.core.web.sorting import Columns, euros, in_order, list_file
from marketplace.finance.desk import decision_pages, file_pages, find_pages, list_file_pages, queries, run_file_pages
from marketplace.finance.proposals import PROPOSALS
from marketplace.finance.reconciliation.base_pages import why
from marketplace.finance.reconciliation.exception_queries import ExceptionRow, find_look, list_exceptions_since
from marketplace.money.ledger.base_pages import READERS, Text, books_file, books_page
from marketplace.people.identity.guards import ActorRequest, expect

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS: Final = {
    "exception": "Exception",
    "run_to_approve": "Payout run to approve",
    "run_to_send": "Payout run to send",
    "claim": "Claim to decide",
}
"""What waits apart from proposals, in words."""
ORDERS: Final[dict[str, Callable[[queries.Task], Any]]] = {
    "amount": lambda task: -abs(task.amount_minor or 0),
    "age": lambda task: task.since,
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


@get("/finance/desk", guards=READERS, opt=expect("finance", "auditor"))
async def desk(request: ActorRequest, kind: Text = "", sort: Text = "") -> Template:
    """Show what waits for the person who asks, and what is with others; `kind` narrows it, `sort` is `amount` or `age`."""
    tasks = _chosen(await queries.list_tasks(request.user.person), kind, sort)
    return books_page(
        "desk/desk.html",
        why=why,
        mine=[task for task in tasks if task.is_mine],
        others=[task for task in tasks if not task.is_mine],
        kinds=_kinds(),
        kind=kind,
        sort=sort,
        now=clock.now(),
        looked_at=await find_look(),
        may_act=request.user.role == "finance",
    )


@get("/finance/desk.csv", guards=READERS, opt=expect("finance", "auditor"))
async def desk_file(request: ActorRequest, kind: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out the same as a file for a spreadsheet."""
    tasks, kinds = _chosen(await queries.list_tasks(request.user.person), kind, sort), _kinds()
    columns: Columns[queries.Task] = {
        "What": lambda task: kinds[task.kind],
        "Which": lambda task: task.reference,
        "Why": lambda task: why(task.why, task.detail) if task.why else "",
        "Amount": lambda task: "" if task.amount_minor is None else euros(task.amount_minor),
        "Since": lambda task: paris_day(task.since),
        "With": lambda task: task.with_name,
        "Page": lambda task: settings().url + url(task.path),
    }
    return list_file("desk.csv", columns, tasks)


async def _exceptions(which: str, _sort: str) -> list[ExceptionRow]:
    """Return every exception, by age × amount, of all reasons or of one."""
    found = [row for row in await list_exceptions_since(BEFORE_ALL) if which in ("", row.why)]
    return sorted(found, key=lambda row: (-row.weight, row.at, row.why, row.subject))


@get("/finance/search", guards=READERS, opt=expect("finance", "auditor"))
async def search(text: Text = "") -> Template:
    """Show what has a text in its number, name or reference."""
    found = await queries.search(text)
    return books_page(
        "desk/search.html",
        text=text,
        groups=[(name, [row for row in found if row.kind == kind]) for kind, name in queries.FOUND.items()],
        found=len(found),
    )


def _kinds() -> dict[str, str]:
    """Return what may wait, in the page's language."""
    return {code: gettext(name) for code, name in KINDS.items()} | {
        code: in_words(kind.words) for code, kind in PROPOSALS.items()
    }


def _chosen(tasks: list[queries.Task], kind: str, sort: str) -> list[queries.Task]:
    chosen = [task for task in tasks if kind in ("", task.kind)]
    return in_order(chosen, sort, ORDERS)


ROUTES = [
    desk,
    desk_file,
    books_file("/finance/exceptions.csv", "exceptions.csv", EXCEPTION_COLUMNS, _exceptions),
    search,
    *decision_pages.ROUTES,
    *file_pages.ROUTES,
    *list_file_pages.ROUTES,
    *find_pages.ROUTES,
    *run_file_pages.ROUTES,
]
