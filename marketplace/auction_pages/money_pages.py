"""Pages of a bidder's money: the saved payment method, an auction's deposit, what is owed for an award that was not paid."""

from __future__ import annotations

import re
import uuid
from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template
from msgspec import Struct, field

from marketplace.auction_pages.queries import list_debts
from marketplace.auctions import eligibility
from marketplace.auctions.debts import pay_debt, refresh_debt
from marketplace.auctions.second_chance import BARRED_FOR
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner, vetted_partner
from marketplace.payments.queries import find_saved_method
from marketplace.web.i18n import gettext, language
from marketplace.web.pages import page, see

Visitor = Request[Actor, Any, Any]
ReturnPath = Annotated[str, QueryParameter(name="back", max_length=100)]
Paid = Annotated[uuid.UUID | None, QueryParameter(name="paid")]
Saved = Annotated[uuid.UUID | None, QueryParameter(name="saved")]
RETURNS: Final = {
    "auction": re.compile(r"/auctions/[0-9a-f-]{36}"),
    "subscription": re.compile(r"/subscribe/[a-z0-9-]{1,63}"),
    "basket": re.compile(r"/basket(\?dataset=[a-z0-9-]{1,63})?"),
}
"""The only pages that this one returns to, by what is going on there."""


class MethodForm(Struct):
    """One button: its form's id is the saved method's."""

    form_id: uuid.UUID
    return_path: str = field(name="back", default="")


class DepositForm(Struct):
    """A button, or a choice of amounts in cents: its form's id is the deposit's."""

    form_id: uuid.UUID
    amount: int = field(name="band", default=0)


def _known(path: str) -> tuple[str, str]:
    """Return the page to return to and what is going on there; empty where we do not return to it."""
    return next(((path, what) for what, known in RETURNS.items() if known.fullmatch(path)), ("", ""))


@get("/payment-method", guards=[partner], opt=expect("partner"))
async def payment_method(request: Visitor, saved: Saved = None, return_path: ReturnPath = "") -> Template:
    """Show what a partner saved to be charged with; to a person who returns from Stripe's page, ask whether it is kept."""
    assert request.user.partner
    if saved is not None:
        await eligibility.refresh_method(request.user.partner, saved)
    method, (path, purpose) = await find_saved_method(request.user.partner), _known(return_path)
    return page(
        "auction_pages/payment_method.html",
        method=method,
        return_path=path,
        purpose=purpose,
        has_returned=saved is not None,
    )


@post("/payment-method", guards=[vetted_partner], opt=expect("vetted partner"), status_code=303)
async def save_method(
    request: Visitor, data: Annotated[MethodForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Go to Stripe's page, where a card or account is saved; nothing is charged there."""
    url = await eligibility.save_method(
        request.user, saved_id=data.form_id, return_to=_known(data.return_path)[0], locale=language.get()
    )
    return Redirect(url, status_code=303) if url else see("/payment-method")


@post("/payment-method/{saved:uuid}/forget", guards=[partner], opt=expect("partner", stranger=404), status_code=303)
async def forget_method(request: Visitor, saved: FromPath[uuid.UUID]) -> Redirect:
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
    request: Visitor,
    auction: FromPath[uuid.UUID],
    data: Annotated[DepositForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Have an auction's deposit held back, on Stripe's page where one is needed."""
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
async def debts_page(request: Visitor, paid: Paid = None) -> Template:
    """Show what a partner owes for awards it did not pay in time, and how to pay it; to who returns from Stripe's page, whether it is paid."""
    assert request.user.partner
    if paid is not None:
        await refresh_debt(request.user.partner, paid)
    return page("auction_pages/debts.html", debts=await list_debts(request.user.partner), barred_days=BARRED_FOR.days)


@post("/auctions/debts/{debt:uuid}/pay", guards=[partner], opt=expect("partner", stranger=404), status_code=303)
async def debt_form(request: Visitor, debt: FromPath[uuid.UUID]) -> Redirect:
    """Go to Stripe's page, where a debt is paid."""
    url = await pay_debt(request.user, debt)
    return Redirect(url, status_code=303) if url else see("/auctions/debts")


ROUTES = [payment_method, save_method, forget_method, deposit_form, debts_page, debt_form]
