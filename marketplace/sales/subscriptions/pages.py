"""A partner's subscriptions: the offer of one, beginning one, its orders, pausing and ending it."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import find_listed_release, get_listing
from marketplace.core import clock
from marketplace.core.errors import Conflict, Refusal
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import again, page, see
from marketplace.money.credit.queries import get_available
from marketplace.money.payments.queries import find_saved_method
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.people.spending.rules import BeyondLimit, spender_of
from marketplace.sales.subscriptions import actions, queries
from marketplace.sales.subscriptions.api import why
from marketplace.sales.subscriptions.credits import days_to_promise
from pricing.credits import promised_coverage
from pricing.order import as_new

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Code = Annotated[str, QueryParameter(name="dataset", max_length=63)]


PayBy = Literal["saved_method", "invoice"]
COUNTS: Final = {str(count): count for count in actions.CHOICES}
"""Choices as the list sends them; any other value counts as no choice."""


class SubscriptionForm(Struct):
    """The dataset, for how many releases, and how each is paid."""

    form_id: uuid.UUID
    dataset: str
    releases: str = ""
    pay_by: PayBy = "saved_method"
    seen_minor: str = ""
    terms: str = ""

    @property
    def most_minor(self) -> int | None:
        """The price that the page showed, in cents before VAT; None if a program names none."""
        return int(self.seen_minor) if re.fullmatch(r"[0-9]{1,16}", self.seen_minor) else None


class PaymentForm(Struct):
    """How later releases are paid."""

    form_id: uuid.UUID
    pay_by: PayBy = "saved_method"


@get("/subscriptions", guards=[partner], opt=expect("partner"))
async def list_own(request: ActorRequest) -> Template:
    """List the partner's subscriptions."""
    assert request.user.partner
    return page("subscriptions/list.html", subscriptions=await queries.list_own(request.user.partner))


@get("/subscribe/{code:str}", guards=[vetted_partner], opt=expect("vetted partner", stranger=200))
async def new(request: ActorRequest, code: FromPath[str]) -> Template:
    """Show the offer of a subscription: each release by the price sheet of today, or less."""
    assert request.user.partner
    offered = await _offered(code, request.user.partner)
    pay_by = "saved_method" if offered["method"] else "invoice"
    return page("subscriptions/new.html", error="", releases=actions.CHOICES[0], pay_by=pay_by, **offered)


@post("/subscribe/{code:str}", guards=[vetted_partner], opt=expect("vetted partner", stranger=200), status_code=200)
async def subscribe(
    request: ActorRequest,
    code: FromPath[str],
    data: Annotated[SubscriptionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Subscribe."""
    assert request.user.partner
    releases = COUNTS.get(data.releases.strip(), 0)
    try:
        await actions.subscribe(
            request.user.partner,
            code,
            by=spender_of(request.user),
            releases=releases,
            subscription=data.form_id,
            pay_by=data.pay_by,
            seen_minor=data.most_minor,
            seen_terms=data.terms,
        )
    except (Conflict, Refusal) as refusal:
        shown = await _offered(code, request.user.partner)
        return again("subscriptions/new.html", refusal, releases=releases, pay_by=data.pay_by, **shown)
    return see(f"/subscriptions/{data.form_id}")


async def _offered(code: str, of: uuid.UUID) -> dict[str, Any]:
    listing = await get_listing(code)
    latest = await find_listed_release(listing.latest)
    assert latest
    price = await catalogue.price_now(latest, now=clock.now())
    return {
        "listing": listing,
        "price_minor": as_new(price).amount_minor,
        "promised_days": await days_to_promise(latest),
        "promised_micro": promised_coverage(latest.consenting, latest.population),
        "choices": actions.CHOICES,
        "method": await find_saved_method(of),
        "credit": await get_available(of),
        "open": await queries.find_open(of, code),
    }


@get("/subscriptions/{subscription:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def show(request: ActorRequest, subscription: FromPath[uuid.UUID]) -> Template:
    """Show a subscription and what it ordered."""
    assert request.user.partner
    return page("subscriptions/subscription.html", error="", **await _own(subscription, request.user.partner))


async def _own(subscription: uuid.UUID, of: uuid.UUID) -> dict[str, Any]:
    row, method, credit = await queries.get_own(subscription, of), await find_saved_method(of), await get_available(of)
    return {
        "subscription": row,
        "releases": [(one, why(one.refusal)) for one in await queries.list_releases(subscription)],
        "method": method,
        "credit": credit,
        "pays_by": row.pay_by if method or not credit.limit_minor else "invoice",
    }


@post(
    "/subscriptions/{subscription:uuid}/payment",
    guards=[vetted_partner],
    opt=expect("vetted partner", stranger=404),
    status_code=200,
)
async def pay_otherwise(
    request: ActorRequest,
    subscription: FromPath[uuid.UUID],
    data: Annotated[PaymentForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Change how later releases are paid."""
    assert request.user.partner
    try:
        await actions.pay_otherwise(request.user.partner, subscription, data.pay_by, by=spender_of(request.user))
    except (Conflict, BeyondLimit) as refusal:
        return again("subscriptions/subscription.html", refusal, **await _own(subscription, request.user.partner))
    return see(f"/subscriptions/{subscription}")


@post(
    "/subscriptions/{subscription:uuid}/pause", guards=[partner], opt=expect("partner", stranger=404), status_code=200
)
async def pause(request: ActorRequest, subscription: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Pause it."""
    del data
    return await _move(actions.pause, request, subscription)


@post(
    "/subscriptions/{subscription:uuid}/resume", guards=[partner], opt=expect("partner", stranger=404), status_code=200
)
async def resume(request: ActorRequest, subscription: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Resume it."""
    del data
    return await _move(actions.resume, request, subscription)


@post("/subscriptions/{subscription:uuid}/end", guards=[partner], opt=expect("partner", stranger=404), status_code=200)
async def end(request: ActorRequest, subscription: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """End it."""
    del data
    return await _move(actions.end, request, subscription)


async def _move(
    verb: Callable[[uuid.UUID, uuid.UUID], Awaitable[None]], request: ActorRequest, subscription: uuid.UUID
) -> Redirect:
    """Do one of these with the partner's own subscription, and show it."""
    assert request.user.partner
    await verb(request.user.partner, subscription)
    return see(f"/subscriptions/{subscription}")


ROUTES = [list_own, new, subscribe, show, pay_otherwise, pause, resume, end]
