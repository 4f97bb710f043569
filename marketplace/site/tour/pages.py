"""The pages of the demo's guided tours; closed outside the demo."""

from __future__ import annotations

from litestar import get
from litestar.params import FromPath  # noqa: TC002 (Litestar reads a handler's annotations)
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import NotFound
from marketplace.core.settings import settings
from marketplace.core.web.pages import page
from marketplace.people.identity.guards import expect
from marketplace.site.tour.rules import TOURS


def _check_open() -> None:
    if not settings().one_click:
        raise NotFound("There is nothing here.")


@get("/demo/tour", opt=expect("anyone"))
async def list_tours() -> Template:
    """Offer the tours: one per kind of person."""
    _check_open()
    return page("tour/tours.html", tours=TOURS)


@get("/demo/tour/{who:str}", opt=expect("anyone", stranger=200))
async def show_tour(who: FromPath[str]) -> Template:
    """Show one person's tour: a button to sign in as that person, and the stops in order."""
    _check_open()
    if who not in TOURS:
        raise NotFound("There is nothing here.")
    return page("tour/tour.html", tours=TOURS, who=who)


ROUTES = [list_tours, show_tour]
