"""The pages of a subscriber's year, on screen and as PDF: what was earned and what was paid."""

from __future__ import annotations

import asyncio

from litestar import Response, get
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import download, page
from marketplace.people.identity.guards import ActorRequest, expect, subscriber
from marketplace.subscribers.earnings.movements import year_bounds
from marketplace.subscribers.earnings.pages import line_of
from marketplace.subscribers.earnings.statements import get_year
from marketplace.subscribers.payouts import statement_pdf
from marketplace.subscribers.payouts.queries import list_payouts_sent


@get("/earnings/statements/{year:int}", guards=[subscriber], opt=expect("subscriber", stranger=200))
async def year_statement(request: ActorRequest, year: FromPath[int]) -> Template:
    """Show a subscriber's year, for paper too."""
    statement = await get_year(line_of(request), year)
    payouts = await list_payouts_sent(line_of(request), *year_bounds(year))
    return page("payouts/statement.html", statement=statement, payouts=payouts)


@get("/earnings/statements/{year:int}/pdf", guards=[subscriber], opt=expect("subscriber", stranger=200))
async def year_file(request: ActorRequest, year: FromPath[int]) -> Response[bytes]:
    """Hand out a subscriber's year as a file."""
    statement = await get_year(line_of(request), year)
    payouts = await list_payouts_sent(line_of(request), *year_bounds(year))
    pdf = await asyncio.to_thread(statement_pdf.draw_year, statement, payouts, paris_day(clock.now()))
    return download(f"partage-{year}.pdf", pdf)


ROUTES = [year_statement, year_file]
