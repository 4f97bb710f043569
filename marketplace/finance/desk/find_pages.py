"""One search for everybody who is signed in: datasets, and of each role what its own pages list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from litestar import get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.catalogue.search import finding
from marketplace.catalogue.search.rules import State
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import page
from marketplace.finance.desk import queries
from marketplace.finance.desk.own_finding import search_of_line
from marketplace.finance.desk.queries import FOUND
from marketplace.money.ledger.base_pages import Text  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.people.identity.actors import Actor  # noqa: TC001 (the same)
from marketplace.people.identity.guards import ActorRequest, expect, signed_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from marketplace.catalogue.offers.queries import ListingRow

SEES_THE_BOOKS: Final = ("finance", "auditor")
SEES_WHAT_IS_MADE: Final = ("steward", "auditor")


@get("/find", guards=[signed_in], opt=expect("signed in"))
async def find(request: ActorRequest, text: Text = "") -> Template:
    """Show the datasets that have a text, and of what the asking person's own pages list, what has it in its name or number."""
    listings, found = await _datasets(text), await _of_the_role(request.user, text)
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


async def _of_the_role(actor: Actor, text: str) -> Sequence[queries.SearchHit]:
    """Return what is found in the books, in what stewards make, among a partner's orders or in a subscriber's pages."""
    found: list[queries.SearchHit] = []
    if actor.role in SEES_THE_BOOKS:
        found += await queries.search(text)
    if actor.role in SEES_WHAT_IS_MADE:
        made = await queries.search_stewarded(text, language.get())
        found += [
            row for row in made if row.kind != "call" or actor.role == "steward"
        ]  # Auditors have no page of them.
    if actor.partner:
        found += await queries.search_own(actor.partner, text, language.get())
    if actor.subscriber is not None:
        found += await search_of_line(actor.subscriber, text)
    return found


ROUTES = [find]
