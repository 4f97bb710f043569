"""Pages of a bidder's money: the saved payment method, an auction's deposit, the debt for an unpaid award."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Final

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template
from msgspec import Struct, field

from marketplace.core.web.i18n import gettext, language
from marketplace.core.web.pages import page, see
from marketplace.money.payments.queries import find_saved_method
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.sales.auctions import eligibility
from marketplace.sales.auctions.debts import pay_debt, refresh_debt
from marketplace.sales.auctions.page_queries import list_debts
from marketplace.sales.auctions.second_chance import BARRED_FOR

ReturnPath = Annotated[str, QueryParameter(name="back", max_length=100)]
Paid = Annotated[uuid.UUID | None, QueryParameter(name="paid")]
Saved = Annotated[uuid.UUID | None, QueryParameter(name="saved")]
RETURNS: Final = {
    "auction": re.compile(r"/auctions/[0-9a-f-]{36}"),
    "subscription": re.compile(r"/subscribe/[a-z0-9-]{1,63}"),
    "basket": re.compile(r"/basket(\?dataset=[a-z0-9-]{1,63})?"),
}
"""The only pages to return to, each with what is under way there."""


class MethodForm(Struct):
    """One button: its form's id is the saved method's."""

    form_id: uuid.UUID
    return_path: str = field(name="back", default="")


class DepositForm(Struct):
    """A button, or a choice of amounts in cents: its form's id is the deposit's."""

    form_id: uuid.UUID
    amount: int = field(name="band", default=0)


def _known(path: str) -> tuple[str, str]:
    """Return the page to return to and what is under way there; empty if it is not one of ours."""
    return next(((path, what) for what, known in RETURNS.items() if known.fullmatch(path)), ("", ""))


@get("/payment-method", guards=[partner], opt=expect("partner"))
async def payment_method(request: ActorRequest, saved: Saved = None, return_path: ReturnPath = "") -> Template:
    """Show a partner's saved payment method; after a return from Stripe's page, ask whether it is saved."""
    assert request.user.partner
    if saved is not None:
        await eligibility.refresh_method(request.user.partner, saved)
    method, (path, purpose) = await find_saved_method(request.user.partner), _known(return_path)
    return page(
        "auctions/payment_method.html",
        method=method,
        return_path=path,
        purpose=purpose,
        has_returned=saved is not None,
    )


@post("/payment-method", guards=[vetted_partner], opt=expect("vetted partner"), status_code=303)
async def save_method(
    request: ActorRequest, data: Annotated[MethodForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Go to Stripe's page, where a card or account is saved; nothing is charged there."""
    url = await eligibility.save_method(
        request.user, saved_id=data.form_id, return_to=_known(data.return_path)[0], locale=language.get()
    )
    return Redirect(url, status_code=303) if url else see("/payment-method")


@post("/payment-method/{saved:uuid}/forget", guards=[partner], opt=expect("partner", stranger=404), status_code=303)
async def forget_method(request: ActorRequest, saved: FromPath[uuid.UUID]) -> Redirect:
    """Forget a saved method, here and at Stripe."""
    assert request.user.partner
    await eligibility.forget_method(request.user.partner, saved)
    return see("/payment-method")


@post(
    "/auctions/{auction:uuid}/deposit",
    guards=[vetted_partner],
    opt=expect("vetted partner", stranger=200),
    status_code=303,
)
async def deposit_form(
    request: ActorRequest,
    auction: FromPath[uuid.UUID],
    data: Annotated[DepositForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Authorise an auction's deposit, on Stripe's page if one is needed."""
    text = gettext("Deposit for an auction")
    url = await eligibility.ask_deposit(
        request.user,
        auction,
        deposit=data.form_id,
        amount_minor=data.amount or None,
        locale=language.get(),
        text=text,
    )
    return Redirect(url, status_code=303) if url else see(f"/auctions/{auction}")


@get("/auctions/debts", guards=[partner], opt=expect("partner"))
async def debts_page(request: ActorRequest, paid: Paid = None) -> Template:
    """Show a partner's debts for awards unpaid in time, and how to pay; after Stripe's page, ask whether it is paid."""
    assert request.user.partner
    if paid is not None:
        await refresh_debt(request.user.partner, paid)
    return page("auctions/debts.html", debts=await list_debts(request.user.partner), barred_days=BARRED_FOR.days)


@post("/auctions/debts/{debt:uuid}/pay", guards=[partner], opt=expect("partner", stranger=404), status_code=303)
async def debt_form(request: ActorRequest, debt: FromPath[uuid.UUID]) -> Redirect:
    """Go to Stripe's page, where a debt is paid."""
    url = await pay_debt(request.user, debt)
    return Redirect(url, status_code=303) if url else see("/auctions/debts")


ROUTES = [payment_method, save_method, forget_method, deposit_form, debts_page, debt_form]
