"""The books' pages for those who close them: months with their checks, proposed by one person and closed by another."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from litestar import get, post
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import see
from marketplace.finance.bookkeeping.closing import HEADINGS, checks_of
from marketplace.finance.bookkeeping.months import CLOSE_MONTH, propose_month
from marketplace.finance.bookkeeping.trail_pages import exception_words
from marketplace.finance.reconciliation.exception_queries import find_look
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_file, books_page
from marketplace.money.ledger.periods import ClosedMonth, list_closed, list_open
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.queries import find_waiting, signs_of_proposers

if TYPE_CHECKING:
    from marketplace.core.web.sorting import Columns

FILE_COLUMNS: Final[Columns[ClosedMonth]] = {
    "Month": lambda row: row.month.isoformat()[:7],
    "Closed on": lambda row: paris_day(row.closed_at),
    "By": lambda row: row.name,
    "Checks": lambda row: len(row.checked),
}


def _month(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(f"{text}-01")
    except ValueError:
        raise Invalid("That is not a month: {month}.", month=text[:20]) from None


@get("/finance/periods", guards=READERS, opt=expect("finance", "auditor"))
async def periods(request: ActorRequest, month: Text = "", sort: Text = "") -> Template:
    """Show the months: those that are closed, those that wait, and the checks of the next to close."""
    open_ = await list_open(clock.now())
    waiting = await find_waiting(CLOSE_MONTH.code)
    proposed = CLOSE_MONTH.read(waiting.document).first if waiting else None
    chosen = _month(month) if month else proposed or (open_[0] if open_ else None)
    return books_page(
        "bookkeeping/periods.html",
        closed=await list_closed(sort),
        sort=sort,
        open=open_,
        chosen=chosen,
        waiting=waiting if chosen == proposed else None,
        titles=HEADINGS,
        exception_words=exception_words,
        checks=await checks_of(chosen, kept=True) if chosen else [],
        looked_at=await find_look(),
        me=request.user.person,
        signs=await signs_of_proposers(request.user.person, [waiting] if waiting else []),
        may_act=request.user.role == "finance",
    )


@post("/finance/periods/{month:str}/propose", guards=[*CLERKS, recently_proved], opt=expect("finance", stranger=200))
async def propose(
    request: ActorRequest,
    month: FromPath[str],
    data: Pressed,
) -> Redirect:
    """Propose to close a month."""
    await propose_month(_month(month), request.user, form_id=data.form_id)
    return see("/finance/periods")


ROUTES = [
    periods,
    books_file("/finance/periods.csv", "months.csv", FILE_COLUMNS, lambda _which, sort: list_closed(sort)),
    propose,
]
