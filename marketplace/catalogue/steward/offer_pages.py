"""The steward's pages of offers: datasets on sale and their prices; a price is shown before the offer is made."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers.actions import prices_now
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.sheets.queries import list_sheets_of
from marketplace.catalogue.steward import actions, queries
from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import PageNumber, again, localised, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff

if TYPE_CHECKING:
    from marketplace.catalogue.steward.queries import ShelfRow

reader, steward = staff("steward", "auditor"), staff("steward")


class OfferForm(Struct):
    """An offer as a steward writes it: its licence terms, and the market's price sheet."""

    form_id: uuid.UUID
    terms: str = ""
    sheet: str = ""
    seen: str = ""
    """The offer's fingerprint when the page was opened."""


@get("/steward/offers", guards=[reader], opt=expect("steward", "auditor"))
async def list_offers(number: PageNumber = 1) -> Template:
    """Show every dataset: whether it is on sale, its terms, and its price of today."""
    shelf = await queries.list_shelf(number)
    latest = [row.release for row in shelf.rows if row.is_open and row.release]
    prices = await prices_now(await list_priced_releases(latest), now=clock.now())
    return page("steward/offers.html", shelf=shelf, prices=prices)


@get("/steward/offers/{code:str}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_offer(code: FromPath[str]) -> Template:
    """Show a dataset's offer with its price of today, and let a steward change it."""
    row = await queries.get_shelf(code)
    return page("steward/offer.html", error="", form=_typed(row), **await _shown(row))


@post("/steward/offers/{code:str}", guards=[steward], opt=expect("steward", stranger=200))
async def make_offer(
    code: FromPath[str],
    data: Annotated[OfferForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Put a dataset on sale, or change its offer."""
    try:
        if not data.terms:
            raise Invalid("Choose the licence terms first.", field="terms")
        if not data.sheet:
            raise Invalid("Choose the market’s price sheet first.", field="sheet")
        await actions.make_offer(request.user, code, terms=data.terms, sheet=data.sheet, seen=data.seen)
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in ("terms", "sheet")}
        return again("steward/offer.html", refusal, form=form, **await _shown(await queries.get_shelf(code)))
    return see(f"/steward/offers/{code}")


@get("/steward/offers/{code:str}/withdraw", guards=[steward], opt=expect("steward", stranger=200))
async def ask_to_withdraw(code: FromPath[str]) -> Template:
    """Explain the effect of withdrawing an offer, before it is withdrawn."""
    return page("steward/withdraw.html", row=await queries.get_shelf(code))


@post("/steward/offers/{code:str}/withdraw", guards=[steward], opt=expect("steward", stranger=200))
async def withdraw(code: FromPath[str], data: Pressed, request: ActorRequest) -> Redirect:
    """Withdraw an offer; repeating it changes nothing."""
    del data
    await actions.withdraw(request.user, code)
    return see(f"/steward/offers/{code}")


def _typed(row: ShelfRow) -> dict[str, object]:
    """Return the form of the present offer, or of a new one."""
    return {"terms": row.terms or "", "sheet": row.sheet or ""}


async def _shown(row: ShelfRow) -> dict[str, Any]:
    releases = await list_priced_releases([row.release] if row.release else [])
    prices = await prices_now(releases, now=clock.now()) if row.is_open else {}
    return {
        "row": row,
        "priced": prices.get(row.release) if row.release else None,
        "term_choices": [(one.code, one.code) for one in await queries.list_terms()],
        "sheet_choices": [(one.code, localised(one, "title")) for one in await list_sheets_of(row.code)],
    }


ROUTES = [list_offers, show_offer, make_offer, ask_to_withdraw, withdraw]
