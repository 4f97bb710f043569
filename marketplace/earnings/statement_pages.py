"""The pages of a licence's statement, on screen and as PDF: what it did for the people in it."""

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
from marketplace.identity.guards import expect, partner
from marketplace.web.formats import paris_day
from marketplace.web.pages import download, page

Asked = Request[Actor, Any, Any]


@get("/orders/{order:uuid}/statement", guards=[partner], opt=expect("partner", stranger=404))
async def licence_statement(request: Asked, order: FromPath[uuid.UUID]) -> Template:
    """Show a partner what its licence did for the people in it."""
    assert request.user.partner
    statement = await statements.get_licence_statement(request.user.partner, order)
    return page(
        "earnings/licence_statement.html",
        sale=statement.sale,
        titled=statement_pdf.titled(statement.sale),
        division=statement.division,
    )


@get("/orders/{order:uuid}/statement/pdf", guards=[partner], opt=expect("partner", stranger=404))
async def licence_file(request: Asked, order: FromPath[uuid.UUID]) -> Response[bytes]:
    """Hand out a licence's statement as a file."""
    assert request.user.partner
    statement = await statements.get_licence_statement(request.user.partner, order)
    pdf = await asyncio.to_thread(statement_pdf.draw_licence, statement, paris_day(clock.now()))
    return download(f"statement-{statement.sale.number}.pdf", pdf)


ROUTES = [licence_statement, licence_file]
