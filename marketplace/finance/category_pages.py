"""Categories of Stripe's that the chart does not know: what waits for an account, who proposed one and who decided."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.finance import actions
from marketplace.finance.base_pages import finance_page
from marketplace.finance.queries import list_unknown_categories
from marketplace.identity.guards import expect
from marketplace.ledger.base_pages import CLERKS, READERS, Asked, Decided, Text
from marketplace.ledger.category_accounts import MAY_COUNTER, list_category_accounts, propose_category_account
from marketplace.ledger.chart import TITLES
from marketplace.ledger.two_people import signs_of_proposers
from marketplace.payments.balance import accounts_by_category
from marketplace.web.i18n import language
from marketplace.web.pages import see


class CategoryForm(Struct):
    """Which account is proposed for a category, and why."""

    category: str
    account: str
    reason: str
    form_id: uuid.UUID


@get("/finance/categories", guards=READERS, opt=expect("finance", "auditor"))
async def categories(request: Asked, which: Text = "", sort: Text = "") -> Template:
    """Show the categories without an account, and every account that was proposed for one."""
    proposals = await list_category_accounts()
    return finance_page(
        "categories.html",
        unknown=await list_unknown_categories(list(await accounts_by_category())),
        proposals=await list_category_accounts(which, sort),
        which=which,
        sort=sort,
        proposed={row.category for row in proposals if row.approved is None},
        accounts=[(code, f"{code} · {_title(code)}") for code in MAY_COUNTER],
        title_of=_title,
        me=request.user.person,
        signs=await signs_of_proposers(request.user.person, proposals),
        may_act=request.user.role == "finance",
    )


@post("/finance/categories", guards=CLERKS, opt=expect("finance"))
async def propose(
    request: Asked, data: Annotated[CategoryForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose an account for a category."""
    await propose_category_account(data.category, data.account, request.user, reason=data.reason, form_id=data.form_id)
    return see("/finance/categories")


@post("/finance/categories/{proposal_id:uuid}", guards=CLERKS, opt=expect("finance", stranger=200))
async def decide(
    request: Asked,
    proposal_id: FromPath[uuid.UUID],
    data: Decided,
) -> Redirect:
    """Approve or refuse an account that someone else proposed; approved, what waited for it is posted."""
    await actions.decide_account(proposal_id, request.user, approve=data.approves)
    return see("/finance/categories")


def _title(code: str) -> str:
    french, english = TITLES[code]
    return french if language.get() == "fr" else english


ROUTES = [categories, propose, decide]
