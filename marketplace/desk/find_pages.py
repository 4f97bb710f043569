"""One search for everybody who is signed in: datasets, a partner's own orders and invoices, finance's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from litestar import Request, get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.desk import queries
from marketplace.desk.queries import FOUND
from marketplace.identity.actors import Actor  # noqa: TC001 (the same)
from marketplace.identity.guards import expect, signed_in
from marketplace.ledger.base_pages import Text  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.search import finding
from marketplace.search.rules import State
from marketplace.web.i18n import language
from marketplace.web.pages import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.queries import ListingRow

SEES_THE_BOOKS: Final = ("finance", "auditor")


@get("/find", guards=[signed_in], opt=expect("signed in"))
async def find(request: Request[Actor, Any, Any], text: Text = "") -> Template:
    """Show the datasets, orders and invoices that have a text in their name or number, as far as who asks may see them."""
    listings, found = await _datasets(text), await _numbers(request.user, text)
    return page(
        "desk/find.html",
        text=text,
        listings=listings,
        groups=[(name, [row for row in found if row.kind == kind]) for kind, name in FOUND.items()],
        found=len(listings) + len(found),
    )


async def _datasets(text: str) -> Sequence[ListingRow]:
    """Return the first datasets for sale that match."""
    if len(text.strip()) < queries.SHORTEST:
        return []
    return (await finding.search(State(search=text), 1)).listings.rows[: queries.MOST_FOUND]


async def _numbers(actor: Actor, text: str) -> Sequence[queries.Found]:
    """Return what finance finds in the books, or a partner among its own orders and invoices."""
    if actor.role in SEES_THE_BOOKS:
        return await queries.search(text)
    return await queries.search_own(actor.partner, text, language.get()) if actor.partner else []


ROUTES = [find]
