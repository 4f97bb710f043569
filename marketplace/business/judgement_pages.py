"""Gross or net, said once: what we are in the sales of each offer, why, who agreed, and the revenue that is presented so."""

from __future__ import annotations

import uuid
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.business.judgements import decide_judgement, list_judgements, list_presented, propose_judgement
from marketplace.business.pages import days_of
from marketplace.business.queries import moved_on
from marketplace.identity.guards import expect
from marketplace.ledger import chart
from marketplace.ledger.base_pages import CLERKS, READERS, Asked, Decided, Text, books_page
from marketplace.ledger.two_people import signs_of_proposers
from marketplace.web.i18n import gettext
from marketplace.web.pages import localised, see
from marketplace.web.sorting import as_file, euros

PATH: Final = "/finance/business/roles"
NAMES: Final = {"principal": "Principal", "agent": "Agent", None: "Principal, until judged"}
FILE_HEADINGS: Final = ("Dataset", "We are", "Before VAT", "Shares", "Presented")


class JudgementForm(Struct):
    """What we are in an offer's sales, and the three reasons."""

    dataset: str
    role: str
    control: str
    risk: str
    price: str
    form_id: uuid.UUID


@get(PATH, guards=READERS, opt=expect("finance", "auditor"))
async def roles(request: Asked, since: Text = "", until: Text = "") -> Template:
    """Show each offer's revenue, gross or net, with what was judged of it and why."""
    first, last = days_of(since, until)
    presented, judgements = await list_presented(first, last), await list_judgements()
    return books_page(
        "business/roles.html",
        path=PATH,
        presented=presented,
        other_minor=await moved_on(chart.LICENCES_SOLD, first, last) - sum(row.sold_minor for row in presented),
        sold_account=chart.LICENCES_SOLD,
        judgements=judgements,
        waiting={row.dataset for row in judgements if row.approved is None},
        names=NAMES,
        since=first,
        until=last,
        me=request.user.person,
        signs=await signs_of_proposers(request.user.person, judgements),
        may_act=request.user.role == "finance",
    )


@get(f"{PATH}.csv", guards=READERS, opt=expect("finance", "auditor"))
async def roles_file(since: Text = "", until: Text = "") -> Response[bytes]:
    """Hand out each offer's revenue, gross or net, as a file for a spreadsheet."""
    first, last = days_of(since, until)
    cells = [
        (
            localised(row, "title"),
            gettext(NAMES[row.role]),
            *map(euros, (row.sold_minor, row.shares_minor, row.presented_minor)),
        )
        for row in await list_presented(first, last)
    ]
    return as_file(f"revenue-presented-{first}-{last}.csv", FILE_HEADINGS, cells)


@post(PATH, guards=CLERKS, opt=expect("finance"))
async def propose(
    request: Asked, data: Annotated[JudgementForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
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


@post(PATH + "/{judgement_id:uuid}", guards=CLERKS, opt=expect("finance", stranger=200))
async def decide(
    request: Asked,
    judgement_id: FromPath[uuid.UUID],
    data: Decided,
) -> Redirect:
    """Approve or refuse what someone else proposed."""
    await decide_judgement(judgement_id, request.user, approve=data.approves)
    return see(PATH)


ROUTES = [roles, roles_file, propose, decide]
