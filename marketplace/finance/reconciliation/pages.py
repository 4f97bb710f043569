"""Finance's pages: the overview of all money, comparisons with Stripe, orders and their refunds."""

from __future__ import annotations

import uuid
from typing import Annotated

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.core.web import formats
from marketplace.core.web.pages import PageNumber, see
from marketplace.finance.bank.queries import list_accounts as list_bank_accounts
from marketplace.finance.reconciliation import penalty_pages, queries
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.finance.reconciliation.base_pages import finance_page
from marketplace.finance.reconciliation.refunds import propose_refund
from marketplace.money.credit.queries import find_due
from marketplace.money.ledger.base_pages import CLERKS, READERS, Text
from marketplace.people.identity.guards import ActorRequest, expect, recently_proved
from marketplace.people.proposals.queries import signs_of_proposers


class RefundForm(Struct):
    """Why an order's money goes back, and how much in euros; nothing written is all that is left."""

    reason: str
    form_id: uuid.UUID
    amount: str = ""
    bears_loss: str = ""


@get("/finance/reconciliation", guards=READERS, opt=expect("finance", "auditor"))
async def reconciliation(
    request: ActorRequest, show: Text = "transactions", category: Text = "", page_number: PageNumber = 1
) -> Template:
    """Show Stripe's transactions with their entries, of all categories or one, or past comparisons."""
    if show not in ("transactions", "runs"):
        raise Invalid("There is no such list: {show}.", show=show)
    return finance_page(
        "reconciliation.html",
        show=show,
        rows=await (
            queries.list_runs(page_number) if show == "runs" else queries.list_movements(page_number, category)
        ),
        category=category,
        categories=await queries.list_categories(),
        last=await queries.last_run(),
        figures=await queries.get_figures(),
        accounts=await list_bank_accounts(),
        may_run=request.user.role == "finance",
    )


@post("/finance/reconciliation", guards=CLERKS, opt=expect("finance"))
async def reconcile_now() -> Redirect:
    """Compare with Stripe now."""
    await reconcile()
    return see("/finance/reconciliation")


@get("/finance/orders/{order_id:uuid}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def order_page(request: ActorRequest, order_id: FromPath[uuid.UUID]) -> Template:
    """Show everything money did for one order, and let a finance clerk propose to refund it."""
    is_clerk = request.user.role == "finance"
    whole = await queries.get_order(order_id)
    return finance_page(
        "order.html",
        whole=whole,
        order=whole.order,
        may_refund=is_clerk,
        me=request.user.person if is_clerk else None,
        signs=await signs_of_proposers(request.user.person, whole.decisions),
        now=clock.now(),
        due=await find_due(order_id),
    )


@post(
    "/finance/orders/{order_id:uuid}/refund",
    guards=[*CLERKS, recently_proved],
    opt=expect("finance", stranger=200),
    status_code=303,
)
async def refund(
    request: ActorRequest,
    order_id: FromPath[uuid.UUID],
    data: Annotated[RefundForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Propose that an order's money goes back."""
    amount_minor = formats.read_cents(data.amount) if data.amount.strip() else None
    bears_loss = data.bears_loss == "yes"
    await propose_refund(
        order_id, amount_minor, request.user, reason=data.reason, form_id=data.form_id, bears_loss=bears_loss
    )
    return see(f"/finance/orders/{order_id}")


@get("/finance/licences/{licence_id:uuid}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def licence(licence_id: FromPath[uuid.UUID]) -> Redirect:
    """Lead to the order that sold a licence."""
    return see(f"/finance/orders/{await queries.get_order_of(licence_id)}")


@get("/finance/transactions/{movement_id:str}", guards=READERS, opt=expect("finance", "auditor", stranger=200))
async def transaction_page(movement_id: FromPath[str]) -> Template:
    """Show one of Stripe's balance transactions, its entry and its order."""
    movement, entries = await queries.get_movement(movement_id)
    return finance_page("transaction.html", movement=movement, entries=entries)


ROUTES = [
    *penalty_pages.ROUTES,
    reconciliation,
    reconcile_now,
    order_page,
    refund,
    licence,
    transaction_page,
]
