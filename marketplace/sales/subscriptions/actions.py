"""Subscribing, pausing, ending; and ordering due releases: by the locked price sheet or less, charged off session.

A release is priced and ordered like any other sale; it pays its own contributors, and its order, licence and entries are
those of purchases.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

from msgspec import Struct

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import (
    find_listed_release,
    find_vat,
    get_listing,
    list_priced_offers,
)
from marketplace.catalogue.offers.uses import check_use
from marketplace.core import clock
from marketplace.core.database import execute, fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Invalid, Refusal
from marketplace.core.locks import lock
from marketplace.datasets.releases.tables import Dataset
from marketplace.money.credit.queries import get_available, has_limit
from marketplace.money.credit.rules import check_credit
from marketplace.money.payments.queries import find_saved_method
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient
from marketplace.people.spending.actions import lock_limits
from marketplace.people.spending.rules import Purchase, Spender, check
from marketplace.sales.message_kinds import SUBSCRIPTION_ENDED, SUBSCRIPTION_PAUSED
from marketplace.sales.orders.actions import order_subscribed
from marketplace.sales.orders.queries import get_email
from marketplace.sales.subscriptions.credits import days_to_promise, give_credits, note_credit
from marketplace.sales.subscriptions.queries import SQL, find_open, get_own
from marketplace.sales.subscriptions.tables import SubscribedRelease, Subscription
from pricing.credits import promised_coverage
from pricing.order import as_new, canonical, from_canonical

if TYPE_CHECKING:
    from marketplace.core.database import Values

SAVED_METHOD, INVOICE = "saved_method", "invoice"
BATCH_SIZE = 200
CHOICES = (4, 12, 26, 52)
"""How many releases a subscription may have."""


class DueRelease(Struct, frozen=True):
    """A release due to an active subscription; `locked_minor` is its highest price, in cents before VAT, by `locked`."""

    subscription: uuid.UUID
    partner: uuid.UUID
    locked_minor: int
    locked: bytes
    pay_by: str
    terms: str
    """The licence whose price was locked."""
    release: uuid.UUID
    person: uuid.UUID | None
    api_key: uuid.UUID | None


class StoppedSubscription(Struct, frozen=True):
    """A subscription that a job ended or paused."""

    id: uuid.UUID
    partner: uuid.UUID
    dataset: str


class SubscriptionHolder(Struct, frozen=True):
    """The partner of a subscription."""

    partner: uuid.UUID
    dataset: str


async def subscribe(
    partner: uuid.UUID,
    dataset: str,
    *,
    by: Spender,
    releases: int,
    subscription: uuid.UUID,
    pay_by: str = SAVED_METHOD,
    seen_minor: int | None = None,
    seen_terms: str = "",
) -> None:
    """Subscribe to the next releases of a dataset, each by today's price sheet, for at most the price of the latest when new.

    The same id subscribes once. by: whose spending limit allows one now, and each later. pay_by: saved_method or
    invoice. seen_minor, seen_terms: the price in cents before VAT, and the licence, that the partner saw; refuses others,
    a dataset that is not on sale or subscribed to already, and a partner without a way to pay.
    """
    if releases not in CHOICES:
        raise Invalid("Choose for how many releases.", field="releases")
    if await _is_begun(partner, dataset, subscription):
        return
    listing = await get_listing(dataset)
    await check_use(partner, listing.terms, dataset)
    latest = await find_listed_release(listing.latest)
    assert latest
    price = await catalogue.price_now(latest, now=clock.now())
    most_minor = as_new(price).amount_minor
    if seen_minor is not None and most_minor > seen_minor:
        raise Conflict("The price has risen since you opened this page: read the new one, and confirm if you agree.")
    async with transaction():
        await lock(f"subscriptions {partner}")
        if await _is_begun(partner, dataset, subscription):
            return
        if await find_open(partner, dataset):
            raise Conflict("Your company is subscribed to this dataset already.")
        await _check_licence(dataset, listing.terms, seen_terms)
        await _check_payment(partner, pay_by, most_minor)
        await _check_limit(by, subscription, dataset, most_minor)
        await Subscription.insert(
            Subscription(
                id=subscription,
                partner=partner,
                person=by.person,
                api_key=by.key,
                dataset=dataset,
                locked_minor=most_minor,
                locked=canonical(price),
                currency=price.law.currency,
                releases=releases,
                pay_by=pay_by,
                after=latest.period_to,
                began_at=clock.now(),
                promised_days=await days_to_promise(latest),
                promised_coverage_micro=promised_coverage(latest.consenting, latest.population),
                terms=listing.terms,
            )
        )


async def _check_licence(dataset: str, listed: str, seen: str) -> None:
    """Refuse another licence than the partner saw, and one that changed while it subscribed."""
    priced = next((one.terms for one in await list_priced_offers([dataset], clock.now())), None)
    if len({listed, priced, seen or priced}) > 1:
        raise Conflict(
            "The licence has changed since you opened this page: read the new one, and confirm if you agree."
        )


async def _is_begun(partner: uuid.UUID, dataset: str, subscription: uuid.UUID) -> bool:
    """Return whether a partner's subscription to a dataset exists.

    Refuses another partner's, or one to another dataset.
    """
    known = await fetch_row(
        SubscriptionHolder, select(SubscriptionHolder, Subscription).where(Subscription.id == subscription)
    )
    if known is not None and (known.partner, known.dataset) != (partner, dataset):
        raise Conflict("That subscription already exists; go back, reload the page and try again.")
    return known is not None


async def _check_payment(partner: uuid.UUID, pay_by: str, price_minor: int) -> None:
    """Refuse a way to pay that the partner lacks for a release of this price, in cents before VAT."""
    if pay_by == INVOICE:
        vat = await find_vat(partner, price_minor)
        assert vat, "a partner has a country"
        check_credit(await get_available(partner), price_minor + vat.amount_minor)
    elif await find_saved_method(partner) is None and not await has_limit(partner):
        raise Conflict("Save a card or bank account first: each release is paid by it.")


async def _check_limit(by: Spender, subscription: uuid.UUID, dataset: str, price_minor: int) -> None:
    """Refuse a subscription of whose releases the spending limit of its partner's person or key allows not even one now."""
    now, purpose = clock.now(), await fetch_scalar(str, Dataset.select(Dataset.purpose).where(Dataset.code == dataset))
    assert purpose
    (limit,) = await lock_limits([by], [subscription], now)
    check(limit, Purchase(subscription, price_minor, [dataset], [purpose]), now)


async def pay_otherwise(partner: uuid.UUID, subscription: uuid.UUID, pay_by: str, *, by: Spender) -> None:
    """Change how later releases of a partner's own subscription are paid; refuses like `subscribe`, and if ended.

    by: who changes it; later releases are ordered under their spending limit.
    """
    row = await get_own(subscription, partner)
    if row.state == "ended":
        raise Conflict("This subscription has ended.")
    if row.pay_by != pay_by:
        await _check_payment(partner, pay_by, row.locked_minor)
    async with transaction():
        await _check_limit(by, subscription, row.dataset, row.locked_minor)
        changed: Values = {"pay_by": pay_by, "person": by.person, "api_key": by.key}
        await Subscription.update(changed).where(Subscription.id == subscription)


async def pause(partner: uuid.UUID, subscription: uuid.UUID) -> None:
    """Pause a partner's own subscription: releases published during the pause are due once it resumes."""
    await _move(partner, subscription, "active", "paused")


async def resume(partner: uuid.UUID, subscription: uuid.UUID) -> None:
    """Resume a paused subscription; an unpaid order is made again."""
    async with transaction():
        await _move(partner, subscription, "paused", "active")
        await execute(SQL["forget_lapsed"], subscription)


async def end(partner: uuid.UUID, subscription: uuid.UUID) -> None:
    """End a partner's own subscription: existing orders stay, and no more are made."""
    row = await get_own(subscription, partner)
    if row.state != "ended":
        ended = {Subscription.state: "ended", Subscription.ended_at: clock.now()}
        await Subscription.update(ended).where(Subscription.id == subscription, Subscription.state != "ended")  # type: ignore[arg-type]


async def _move(partner: uuid.UUID, subscription: uuid.UUID, before: str, after: str) -> None:
    row = await get_own(subscription, partner)
    if row.state == "ended":
        raise Conflict("This subscription has ended.")
    its = (Subscription.id == subscription) & (Subscription.state == before)
    await Subscription.update({Subscription.state: after}).where(its)


async def deliver() -> int:
    """Order due releases, pause unpaid subscriptions, end complete ones, give credits; a job.

    Return how many it ordered.
    """
    await give_credits()
    await _report(SQL["pause_unpaid"], SUBSCRIPTION_PAUSED)
    await _report(SQL["end_complete"], SUBSCRIPTION_ENDED, clock.now())
    made = 0
    for due in await fetch_rows(DueRelease, SQL["list_due"], BATCH_SIZE, clock.now()):
        try:
            made += await _order(due)
        except Refusal as refused:
            await _note(due, refused=refused)
    return made


async def _order(due: DueRelease) -> int:
    """Order one release at the price of the day, at most that by the locked sheet; 0 if another worker did.

    It waits while another partner has its dataset alone. It is sold under the licence whose price was locked, even if the
    dataset has another by now. No promise to contributors raises the locked price: it is paid from the operator's part,
    then the platform's.
    """
    async with transaction():
        await lock(f"subscription {due.subscription}")
        is_it = (SubscribedRelease.subscription == due.subscription) & (SubscribedRelease.release == due.release)
        is_had = is_it & SubscribedRelease.purchase_order.is_not_null()
        is_active = (Subscription.id == due.subscription) & (Subscription.state == "active")
        if await SubscribedRelease.exists().where(is_had) or not await Subscription.exists().where(is_active):
            return 0
        quote, order = uuid.uuid4(), uuid.uuid4()
        locked = catalogue.Locked(from_canonical(due.locked), due.locked_minor, due.terms)
        await catalogue.quote(due.partner, due.release, quote_id=quote, locked=locked)
        email, pay_by = await get_email(due.partner), await _way_to_pay(due)
        by = Spender(due.partner, due.person, due.api_key)
        await order_subscribed(due.partner, [quote], by=by, order_id=order, email=email, pay_by=pay_by, may_repeat=True)
        await note_credit(due.subscription, order)
        await _note(due, order=order)
    return 1


async def _way_to_pay(due: DueRelease) -> str:
    """Return how a release is paid: by the saved method, or on invoice if chosen or, with a limit, without a method."""
    if due.pay_by == INVOICE:
        return INVOICE
    return INVOICE if await find_saved_method(due.partner) is None and await has_limit(due.partner) else "charge"


async def _note(due: DueRelease, *, order: uuid.UUID | None = None, refused: Refusal | None = None) -> None:
    """Record the result of a release: its order, or why it was not sold, which is tried again a day later."""
    fields = {name: str(value) for name, value in refused.fields.items()} if refused else {}
    row = SubscribedRelease(
        id=uuid.uuid4(),
        subscription=due.subscription,
        release=due.release,
        purchase_order=order,
        refusal=json.dumps({"sentence": refused.sentence, "fields": fields}) if refused else "",
        at=clock.now(),
    )
    once = (SubscribedRelease.subscription, SubscribedRelease.release)
    changed = [SubscribedRelease.purchase_order, SubscribedRelease.refusal, SubscribedRelease.at]
    await SubscribedRelease.insert(row).on_conflict(action="DO UPDATE", target=once, values=changed)


async def _report(statement: str, kind: object, *values: object) -> None:
    """Run a statement that changes subscriptions, and write to the partners in the same transaction."""
    async with transaction():
        for row in await fetch_rows(StoppedSubscription, statement, *values):
            source = f"{row.id} {clock.now():%Y-%m-%dT%H:%M:%S}"
            to = [Recipient("partner", str(row.partner))]
            await send(kind, source, to, dataset=row.dataset, id=str(row.id))  # type: ignore[arg-type]
