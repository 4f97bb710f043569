"""Years: what each ends with and hands on, closed by two people; the file of a closed one, made again years later."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import localised, see
from marketplace.core.web.sorting import Columns, euros, list_file
from marketplace.finance.bookkeeping import years
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_file, books_page
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.queries import list_proposals, signs_of_proposers

FILE_COLUMNS: Final[Columns[years.YearRow]] = {
    "Year": lambda row: row.year,
    "Result": lambda row: euros(row.result_minor),
    "Carried": lambda row: euros(row.carried_minor),
    "Proposed by": lambda row: row.proposer,
    "Proposed": lambda row: paris_day(row.proposed_at),
    "Decided by": lambda row: row.decider,
    "Decided": lambda row: paris_day(row.decided_at),
    "SHA-256": lambda row: row.sha256,
}
OPENING_COLUMNS: Final[Columns[years.CarriedBalance]] = {
    "Account": lambda row: row.code,
    "Title": lambda row: localised(row, "title"),
    "Debit": lambda row: euros(max(row.balance_minor, 0)),
    "Credit": lambda row: euros(max(-row.balance_minor, 0)),
}


YEAR: Final = re.compile(r"[12][0-9]{3}", re.ASCII)


class YearForm(Struct):
    """Which year is proposed."""

    year: int
    form_id: uuid.UUID


@get("/finance/years", guards=READERS, opt=expect("finance", "auditor"))
async def show_years(request: ActorRequest, sort: Text = "") -> Template:
    """Show the years: what the next to close hands on, what waits for a second person, and those that are closed."""
    closable, waiting = await years.list_closable(), await list_proposals("waiting", years.CLOSE_YEAR.code)
    proposed = {years.CLOSE_YEAR.read(row.document).year: row for row in waiting}
    shown = list(proposed) or closable[:1]
    return books_page(
        "bookkeeping/years.html",
        proposed=proposed,
        closed=await years.list_years(sort),
        sort=sort,
        closable=closable,
        ends={year: await years.year_end(year) for year in shown},
        openings={year: await years.list_opening(year, sort) for year in shown},
        me=request.user.person,
        may_act=request.user.role == "finance",
        signs=await signs_of_proposers(request.user.person, waiting),
    )


@get("/finance/years/opening.csv", guards=READERS, opt=expect("finance", "auditor"))
async def opening_file(year: Text = "", sort: Text = "") -> Response[bytes]:
    """Hand out what each account opens the year after one with, sorted as it is shown; the last year's where none is named."""
    ended = int(year) if YEAR.fullmatch(year) else paris_day(clock.now()).year - 1
    return list_file(f"opening-{ended + 1}.csv", OPENING_COLUMNS, await years.list_opening(ended, sort))


@post("/finance/years", guards=[*CLERKS, recently_proved], opt=expect("finance"), status_code=303)
async def propose(
    request: ActorRequest, data: Annotated[YearForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose to close a year."""
    await years.propose_year(data.year, request.user, form_id=data.form_id)
    return see("/finance/years")


@post(
    "/finance/years/{close_id:uuid}/again",
    guards=[*READERS, recently_proved],
    opt=expect("finance", "auditor", stranger=200),
    status_code=303,
)
async def rebuild(
    request: ActorRequest,
    close_id: FromPath[uuid.UUID],
    data: Pressed,
) -> Redirect:
    """Make the file of a closed year again, to compare it with the first."""
    await years.rebuild_year(close_id, request.user, form_id=data.form_id)
    return see("/finance/years")


ROUTES = [
    show_years,
    books_file("/finance/years.csv", "years.csv", FILE_COLUMNS, lambda _which, sort: years.list_years(sort)),
    opening_file,
    propose,
    rebuild,
]
