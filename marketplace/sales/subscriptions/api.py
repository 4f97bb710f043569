"""Subscriptions for a partner's programs: begin one, read its orders and credits, pause, resume, end."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Literal

from litestar import get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from marketplace.core.web.i18n import gettext
from marketplace.people.identity.guards import ActorRequest, expect, partner, vetted_partner
from marketplace.people.spending.rules import spender_of
from marketplace.sales.orders.api import IdempotencyKey, once
from marketplace.sales.subscriptions import actions, queries

if TYPE_CHECKING:
    from marketplace.sales.subscriptions.queries import ReleaseOfSubscription, SubscriptionRow

After = Annotated[uuid.UUID | None, QueryParameter(name="after")]


class SubscriptionRequest(Struct, forbid_unknown_fields=True):
    """Which dataset, how many of its next releases (4, 12, 26 or 52), and how each is paid."""

    dataset: Annotated[str, Meta(min_length=1, max_length=63, pattern="^[!-~]+$")]
    releases: Literal[4, 12, 26, 52]
    pay_by: Literal["saved_method", "invoice"] = "saved_method"
    """By the saved card or account (on invoice where none is saved and you have a limit), or on invoice in any case."""


class PaymentRequest(Struct, forbid_unknown_fields=True):
    """How the releases to come are paid."""

    pay_by: Literal["saved_method", "invoice"]


class StateRequest(Struct, forbid_unknown_fields=True):
    """The requested state of a subscription."""

    state: Literal["active", "paused", "ended"]


class Subscription(Struct):
    """A subscription; `locked_minor` is the highest price of a release, in cents before VAT."""

    id: uuid.UUID
    dataset: str
    cadence: str
    locked_minor: int
    currency: str
    releases: int
    """How many are subscribed to …"""
    ordered: int
    """… and were ordered so far."""
    pay_by: str
    """saved_method or invoice."""
    state: str
    """active, paused or ended."""
    began_at: dt.datetime
    ended_at: dt.datetime | None
    promised_days: int
    """The days after its period's end within which a release is promised; a later one is partly refunded."""
    promised_coverage_micro: int
    """The promised coverage of lines, in millionths; a lower one gives a part back."""
    terms: str
    """The code of its releases' licence terms, even if the dataset is sold under others by now."""
    usage_right: str
    """internal, publish or resell."""
    months: int
    """How long each licence lasts."""
    purposes: list[str]
    """The only permitted purpose; empty: any."""
    countries: list[str]
    """Where buyers may be established; empty: anywhere."""


class SubscribedRelease(Struct):
    """A release that a subscription handled; amounts in cents, VAT included."""

    release: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime
    purchase_order: uuid.UUID | None
    state: str | None
    """The order's id."""
    total_minor: int | None
    refused: str
    """Why it was not sold, if it was not."""
    credit_minor: int | None
    """The service credit: the part refunded because the release came late or covers fewer lines than promised."""
    days_late: int | None
    """Days begun after the last promised one; 0 if it came in time."""
    coverage_micro: int | None
    """The share of lines that consent, in millionths; …"""
    sold_coverage_micro: int | None
    """… and the one that was sold: a lower share causes a credit."""


class Subscriptions(Struct):
    """One page of a partner's subscriptions, the latest first."""

    subscriptions: list[Subscription]
    has_more: bool
    after: uuid.UUID | None = None
    """Ask for those after this one next."""


class SubscriptionAnswer(Struct):
    """A subscription with its releases, the latest period first."""

    subscription: Subscription
    releases: list[SubscribedRelease]


@get("/api/v1/subscriptions", guards=[partner], opt=expect("partner", scope="orders"), tags=["subscriptions"])
async def list_subscriptions(request: ActorRequest, after: After = None) -> Subscriptions:
    """List the partner's subscriptions, the latest first, ended ones too; `after` is the one to go on after."""
    assert request.user.partner
    found = await queries.list_page(request.user.partner, after)
    last = found.rows[-1].id if found.rows else after
    return Subscriptions([_own(row) for row in found.rows], found.more, last)


@post(
    "/api/v1/subscriptions",
    guards=[vetted_partner],
    opt=expect("vetted partner", scope="orders"),
    tags=["subscriptions"],
)
async def subscribe(
    request: ActorRequest, data: JSONBody[SubscriptionRequest], idempotency_key: IdempotencyKey = ""
) -> SubscriptionAnswer:
    """Subscribe to a dataset's next releases, each charged or on invoice; the same Idempotency-Key subscribes once."""
    assert request.user.partner
    made = once(request.user.partner, "subscription", idempotency_key)
    await actions.subscribe(
        request.user.partner,
        data.dataset,
        by=spender_of(request.user),
        releases=data.releases,
        subscription=made,
        pay_by=data.pay_by,
    )
    return await _answer(request, made)


@get(
    "/api/v1/subscriptions/{subscription:uuid}",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["subscriptions"],
)
async def show_subscription(request: ActorRequest, subscription: FromPath[uuid.UUID]) -> SubscriptionAnswer:
    """Show a subscription, what it ordered, and what was given back of that as service credits."""
    return await _answer(request, subscription)


@put(
    "/api/v1/subscriptions/{subscription:uuid}/state",
    guards=[partner],
    opt=expect("partner", stranger=404, scope="orders"),
    tags=["subscriptions"],
)
async def change_subscription(
    request: ActorRequest, subscription: FromPath[uuid.UUID], data: JSONBody[StateRequest]
) -> SubscriptionAnswer:
    """Pause a subscription, resume it, or end it."""
    assert request.user.partner
    verb = {"active": actions.resume, "paused": actions.pause, "ended": actions.end}[data.state]
    await verb(request.user.partner, subscription)
    return await _answer(request, subscription)


@put(
    "/api/v1/subscriptions/{subscription:uuid}/payment",
    guards=[vetted_partner],
    opt=expect("vetted partner", stranger=404, scope="orders"),
    tags=["subscriptions"],
)
async def change_payment(
    request: ActorRequest, subscription: FromPath[uuid.UUID], data: JSONBody[PaymentRequest]
) -> SubscriptionAnswer:
    """Have the releases to come be charged to the saved method, or be on invoice within your limit."""
    assert request.user.partner
    await actions.pay_otherwise(request.user.partner, subscription, data.pay_by, by=spender_of(request.user))
    return await _answer(request, subscription)


async def _answer(request: ActorRequest, subscription: uuid.UUID) -> SubscriptionAnswer:
    assert request.user.partner
    row = await queries.get_own(subscription, request.user.partner)
    return SubscriptionAnswer(_own(row), [_release(one) for one in await queries.list_releases(subscription)])


def _own(row: SubscriptionRow) -> Subscription:
    return Subscription(**{name: getattr(row, name) for name in Subscription.__struct_fields__})


def _release(row: ReleaseOfSubscription) -> SubscribedRelease:
    known = {name: getattr(row, name) for name in SubscribedRelease.__struct_fields__ if name != "refused"}
    return SubscribedRelease(**known, refused=why(row.refusal))


def why(refusal: str) -> str:
    """Return a recorded refusal, in the requested language."""
    stated = json.loads(refusal) if refusal else None
    return gettext(stated["sentence"]).format(**stated["fields"]) if stated else ""


ROUTES = [list_subscriptions, subscribe, show_subscription, change_subscription, change_payment]
