"""The pages of statements, on screen and as PDF: a subscriber's year, and what a partner's licence did for people."""

from __future__ import annotations

import asyncio
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath  # noqa: TC002 (the same)
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace import clock
from marketplace.earnings import statement_pdf, statements
from marketplace.identity.actors import Actor
from marketplace.identity.guards import partner, subscriber
from marketplace.web.formats import paris_day
from marketplace.web.pages import download, page

Asked = Request[Actor, Any, Any]


@get("/earnings/statements/{year:int}", guards=[subscriber])
async def year_statement(request: Asked, year: FromPath[int]) -> Template:
    """Show a subscriber's year, for paper too."""
    assert request.user.subscriber is not None
    return page("earnings/statement.html", **await statements.get_year(request.user.subscriber, year))


@get("/earnings/statements/{year:int}/pdf", guards=[subscriber])
async def year_file(request: Asked, year: FromPath[int]) -> Response[bytes]:
    """Hand out a subscriber's year as a file."""
    assert request.user.subscriber is not None
    its = await statements.get_year(request.user.subscriber, year)
    pdf = await asyncio.to_thread(statement_pdf.draw_year, its, paris_day(clock.now()))
    return download(f"partage-{year}.pdf", pdf)


@get("/orders/{order:uuid}/statement", guards=[partner])
async def licence_statement(request: Asked, order: FromPath[uuid.UUID]) -> Template:
    """Show a partner what its licence did for the people in it."""
    assert request.user.partner
    its = await statements.get_licence_statement(request.user.partner, order)
    return page("earnings/licence_statement.html", its=its, now=clock.now())


@get("/orders/{order:uuid}/statement/pdf", guards=[partner])
async def licence_file(request: Asked, order: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out a licence's statement as a file."""
    assert request.user.partner
    its = await statements.get_licence_statement(request.user.partner, order)
    pdf = await asyncio.to_thread(statement_pdf.draw_licence, its, paris_day(clock.now()))
    return download(f"statement-{its['number']}.pdf", pdf)


ROUTES = [year_statement, year_file, licence_statement, licence_file]
