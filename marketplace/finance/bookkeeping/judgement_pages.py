"""Gross or net, said once: what we are in the sales of each offer, why, who agreed, and the revenue that is presented so."""

from __future__ import annotations

import uuid
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import localised, see
from marketplace.core.web.sorting import Columns, euros, list_file
from marketplace.finance.bookkeeping.business_pages import days_of
from marketplace.finance.bookkeeping.business_queries import moved_on
from marketplace.finance.bookkeeping.judgements import JUDGEMENT, NAMES, OfferRevenue, list_presented, propose_judgement
from marketplace.money.ledger import chart
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text, books_page
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.queries import list_proposals

PATH: Final = "/finance/business/roles"
FILE_COLUMNS: Final[Columns[OfferRevenue]] = {
    "Dataset": lambda row: localised(row, "title"),
    "We are": lambda row: gettext(NAMES[row.role]),
    "Before VAT": lambda row: euros(row.sold_minor),
    "Shares": lambda row: euros(row.shares_minor),
    "Presented": lambda row: euros(row.presented_minor),
}


class JudgementForm(Struct):
    """What we are in an offer's sales, and the three reasons."""

    dataset: str
    role: str
    control: str
    risk: str
    price: str
    form_id: uuid.UUID


@get(PATH, guards=READERS, opt=expect("finance", "auditor"))
async def roles(request: ActorRequest, since: Text = "", until: Text = "") -> Template:
    """Show each offer's revenue, gross or net, with what was judged of it and why."""
    first, last = days_of(since, until)
    presented = await list_presented(first, last)
    return books_page(
        "bookkeeping/roles.html",
        path=PATH,
        presented=presented,
        other_minor=await moved_on(chart.LICENCES_SOLD, first, last) - sum(row.sold_minor for row in presented),
        sold_account=chart.LICENCES_SOLD,
        waiting={row.subject for row in await list_proposals("waiting", JUDGEMENT.code)},
        names=NAMES,
        since=first,
        until=last,
        may_act=request.user.role == "finance",
    )


@get(f"{PATH}.csv", guards=READERS, opt=expect("finance", "auditor"))
async def roles_file(since: Text = "", until: Text = "") -> Response[bytes]:
    """Hand out each offer's revenue, gross or net, as a file for a spreadsheet."""
    first, last = days_of(since, until)
    return list_file(f"revenue-presented-{first}-{last}.csv", FILE_COLUMNS, await list_presented(first, last))


@post(PATH, guards=[*CLERKS, recently_proved], opt=expect("finance"))
async def propose(
    request: ActorRequest, data: Annotated[JudgementForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose what we are in an offer's sales."""
    await propose_judgement(
        data.dataset,
        data.role,
        request.user,
        control=data.control,
        risk=data.risk,
        price=data.price,
        form_id=data.form_id,
    )
    return see(PATH)


ROUTES = [roles, roles_file, propose]
