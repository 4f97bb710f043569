"""The pages of a licence's statement, on screen and as PDF: what it did for its contributors."""

from __future__ import annotations

import asyncio
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)

from litestar import Response, get
from litestar.params import FromPath  # noqa: TC002 (the same)
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.web.formats import paris_day
from marketplace.core.web.pages import LotNumber, download, page
from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.subscribers.earnings import statement_pdf, statements


@get("/orders/{order:uuid}/statement", guards=[partner], opt=expect("partner", stranger=404))
async def licence_statement(request: ActorRequest, order: FromPath[uuid.UUID], lot: LotNumber = 1) -> Template:
    """Show a partner what its licence did for the contributors."""
    assert request.user.partner
    statement = await statements.get_licence_statement(request.user.partner, order, lot)
    return page(
        "earnings/licence_statement.html",
        sale=statement.sale,
        titled=statement_pdf.titled(statement.sale),
        division=statement.division,
    )


@get("/orders/{order:uuid}/statement/pdf", guards=[partner], opt=expect("partner", stranger=404))
async def licence_file(request: ActorRequest, order: FromPath[uuid.UUID], lot: LotNumber = 1) -> Response[bytes]:
    """Hand out a licence's statement as a file."""
    assert request.user.partner
    statement = await statements.get_licence_statement(request.user.partner, order, lot)
    pdf = await asyncio.to_thread(statement_pdf.draw_licence, statement, paris_day(clock.now()))
    return download(f"statement-{statement.sale.number}.pdf", pdf)


ROUTES = [licence_statement, licence_file]
