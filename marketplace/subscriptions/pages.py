"""A partner's subscriptions: what one would be, beginning one, what it ordered, pausing and ending it."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.catalogue import actions as catalogue
from marketplace.catalogue.queries import find_listed_release, get_listing
from marketplace.credit.queries import has_limit
from marketplace.errors import Conflict, Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner, vetted_partner
from marketplace.payments.queries import find_saved_method
from marketplace.subscriptions import actions, queries
from marketplace.subscriptions.api import why
from marketplace.subscriptions.credits import days_to_promise
from marketplace.web.pages import again, page, see
from pricing.credits import promised_coverage

Asked = Request[Actor, Any, Any]
Code = Annotated[str, QueryParameter(name="dataset", max_length=63)]


class SubscriptionForm(Struct):
    """The dataset, and for how many releases."""

    form_id: uuid.UUID
    dataset: str
    releases: int = 0


class EmptyForm(Struct):
    """A button."""

    form_id: uuid.UUID


Pressed = Annotated[EmptyForm, Body(media_type=RequestEncodingType.URL_ENCODED)]


@get("/subscriptions", guards=[partner], opt=expect("partner"))
async def list_own(request: Asked) -> Template:
    """List the partner's subscriptions."""
    assert request.user.partner
    return page("subscriptions/list.html", subscriptions=await queries.list_own(request.user.partner))


@get("/subscribe/{code:str}", guards=[vetted_partner], opt=expect("vetted partner", stranger=200))
async def new(request: Asked, code: FromPath[str]) -> Template:
    """Show what a subscription would be: each release for today's price of the latest, or less."""
    assert request.user.partner
    return page(
        "subscriptions/new.html", error="", releases=actions.CHOICES[0], **await _offered(code, request.user.partner)
    )


@post("/subscribe/{code:str}", guards=[vetted_partner], opt=expect("vetted partner", stranger=200), status_code=200)
async def subscribe(
    request: Asked,
    code: FromPath[str],
    data: Annotated[SubscriptionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Template | Redirect:
    """Subscribe."""
    assert request.user.partner
    try:
        await actions.subscribe(request.user.partner, code, releases=data.releases, subscription=data.form_id)
    except (Conflict, Refusal) as refusal:
        shown = await _offered(code, request.user.partner)
        return again("subscriptions/new.html", refusal, releases=data.releases, **shown)
    return see(f"/subscriptions/{data.form_id}")


async def _offered(code: str, of: uuid.UUID) -> dict[str, Any]:
    listing = await get_listing(code)
    latest = await find_listed_release(listing.latest)
    assert latest
    price = await catalogue.price_now(latest, now=clock.now())
    return {
        "listing": listing,
        "price_minor": price.amount_minor,
        "promised_days": await days_to_promise(latest),
        "promised_micro": promised_coverage(latest.consenting, latest.population),
        "choices": actions.CHOICES,
        "method": await find_saved_method(of),
        "has_limit": await has_limit(of),
    }


@get("/subscriptions/{subscription:uuid}", guards=[partner], opt=expect("partner", stranger=404))
async def show(request: Asked, subscription: FromPath[uuid.UUID]) -> Template:
    """Show a subscription and what it ordered."""
    assert request.user.partner
    row = await queries.get_own(subscription, request.user.partner)
    releases = [(one, why(one.refusal)) for one in await queries.list_releases(subscription)]
    return page("subscriptions/subscription.html", subscription=row, releases=releases)


@post(
    "/subscriptions/{subscription:uuid}/pause", guards=[partner], opt=expect("partner", stranger=404), status_code=200
)
async def pause(request: Asked, subscription: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Pause it."""
    del data
    assert request.user.partner
    await actions.pause(request.user.partner, subscription)
    return see(f"/subscriptions/{subscription}")


@post(
    "/subscriptions/{subscription:uuid}/resume", guards=[partner], opt=expect("partner", stranger=404), status_code=200
)
async def resume(request: Asked, subscription: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """Go on with it."""
    del data
    assert request.user.partner
    await actions.resume(request.user.partner, subscription)
    return see(f"/subscriptions/{subscription}")


@post("/subscriptions/{subscription:uuid}/end", guards=[partner], opt=expect("partner", stranger=404), status_code=200)
async def end(request: Asked, subscription: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """End it."""
    del data
    assert request.user.partner
    await actions.end(request.user.partner, subscription)
    return see(f"/subscriptions/{subscription}")


ROUTES = [list_own, new, subscribe, show, pause, resume, end]
