"""Categories of Stripe's that the chart does not know: what waits for an account, who proposed one and who decided."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core.web.pages import see
from marketplace.finance.reconciliation.base_pages import finance_page
from marketplace.finance.reconciliation.queries import list_unknown_categories
from marketplace.money.ledger.base_pages import CLERKS, READERS
from marketplace.money.ledger.words import title_of
from marketplace.money.payments.balance import accounts_by_category
from marketplace.money.payments.category_accounts import CATEGORY_ACCOUNT, MAY_COUNTER, propose_category_account
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.queries import list_proposals


class CategoryForm(Struct):
    """Which account is proposed for a category, and why."""

    category: str
    account: str
    reason: str
    form_id: uuid.UUID


@get("/finance/categories", guards=READERS, opt=expect("finance", "auditor"))
async def categories(request: ActorRequest) -> Template:
    """Show the categories without an account, and those for which one is proposed."""
    waiting = await list_proposals("waiting", CATEGORY_ACCOUNT.code)
    return finance_page(
        "categories.html",
        unknown=await list_unknown_categories(list(await accounts_by_category())),
        proposed={row.subject for row in waiting},
        accounts=[(code, f"{code} · {title_of(code)}") for code in MAY_COUNTER],
        may_act=request.user.role == "finance",
    )


@post("/finance/categories", guards=[*CLERKS, recently_proved], opt=expect("finance"))
async def propose(
    request: ActorRequest, data: Annotated[CategoryForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Propose an account for a category."""
    await propose_category_account(data.category, data.account, request.user, reason=data.reason, form_id=data.form_id)
    return see("/finance/categories")


ROUTES = [categories, propose]
