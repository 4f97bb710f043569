"""Money that partners pay: sold by card, given back, disputed, charged off session, ordered again, never paid."""

import asyncio
import datetime as dt
import hashlib
import hmac
import json
import uuid
from functools import partial
from typing import Any

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.settings import settings
from marketplace.money.payments.actions import request_saved_method
from marketplace.money.payments.events import receive_event, refresh_saved_method
from marketplace.money.payments.queries import get_payment
from marketplace.sales.agreed import basket_actions as baskets
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.invoices import change_billing
from marketplace.sales.orders.refunds import request_order_refund
from tests.deaths.story import LATER, Story
from tests.money.builders import save
from tests.people.builders import spender_for
from tests.sales.builders.shop import make_buyer, open_shop, seal_release
from tests.support import scenes
from tests.support.reads import fetch, fetch_value
from tests.support.scenes import named

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
VISA = "tok_bypassPending"
HEARD = ("stripe-sweep", "stripe-events")


async def quote_and_order(story: Story, name: str) -> uuid.UUID:
    """Have a price quoted, order it, and have its page opened; return the order."""
    seeded, number = await scenes.shop(), named(name, "order")
    quote = partial(catalogue.quote, seeded.partner, seeded.release, quote_id=named(name, "quote"))
    await story.act(quote, "quote")
    by = await spender_for(seeded.partner)
    ordering = partial(order, seeded.partner, named(name, "quote"), by=by, order_id=number, email=scenes.EMAIL)
    await story.act(ordering, "order", then=("stripe-commands",))
    await story.work("stripe-commands")
    return number


async def pay_page(story: Story, number: uuid.UUID, **method: str) -> None:
    """Pay an order's page."""
    session = (await get_payment(number)).session_id
    await story.at_stripe("pay", session=session, **(method or {"token": VISA}))


async def receive_webhook(story: Story, number: uuid.UUID) -> None:
    """Receive the webhook of a payment."""
    session = (await get_payment(number)).session_id
    events = await asyncio.to_thread(story.stripe.list, "events")
    body = next(json.dumps(one).encode() for one in events if one["data"]["object"]["id"] == session)
    at = int(clock.now().timestamp())
    signed = hmac.new(settings().stripe_webhook_secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    await story.act(partial(receive_event, body, f"t={at},v1={signed}"), "webhook")


async def sell_and_refund(story: Story) -> None:
    """Sell by card, share what was paid, give a part back, then all of it."""
    number = await quote_and_order(story, "sold")
    await pay_page(story, number)
    await receive_webhook(story, number)
    await story.work("stripe-events", "settle-orders", *HEARD, "stripe-balance", "invoices", "hold-shares")
    for refund, amount in (("part", 3_000), ("rest", None)):
        story.pass_time(DAY)
        asking = partial(request_order_refund, number, "Farid", refund_id=named(refund, "refund"), amount_minor=amount)
        await story.act(asking, "refund")
        await story.work(
            "stripe-commands refund",
            "stripe-sweep",
            "stripe-events refund",
            "record-refunds",
            "stripe-balance",
            "cancel-shares",
            "hold-shares",
        )
    await scenes.ending()
    [row] = await fetch("SELECT state, returned_minor = total_minor AS all FROM purchase_order")
    assert tuple(row) == ("refunded", True)
    assert await fetch_value("SELECT count(*) FROM invoice") == 3


async def lose(story: Story) -> None:
    """Lose a dispute about a card's payment, and a debit that its bank takes back."""
    card = await scenes.sell_named("card")
    await story.at_stripe("dispute", charge=(await get_payment(card)).charge_id)
    await story.work(*HEARD, "follow-disputes", "stripe-balance")
    [dispute] = await asyncio.to_thread(story.stripe.list, "disputes")
    await story.at_stripe("close_dispute", dispute=dispute["id"], won=False)
    await story.work("stripe-sweep", "stripe-events lost", "follow-disputes lost", "stripe-balance", "cancel-shares")
    await scenes.debited("debit")
    await story.at_stripe("dispute", charge=(await get_payment(named("debit", "order"))).charge_id)
    await story.work(*HEARD, "follow-disputes debit")
    await scenes.ending()
    states = await fetch("SELECT state FROM purchase_order")
    assert [row["state"] for row in states] == ["charged_back"] * 2


async def charge_off_session(story: Story) -> None:
    """Keep a card, charge it, and capture one deposit and release another."""
    await scenes.shop()
    partner, saved = await fetch_value("SELECT id FROM partner"), named("every", "method")
    asking = partial(request_saved_method, partner, saved_id=saved, **scenes.PAGE)
    await story.act(asking, "keep a card", then=("stripe-commands",))
    await story.work("stripe-commands")
    await story.wait()  # for the customer, who is made first
    await story.work("stripe-commands page")
    session = await fetch_value("SELECT session_id FROM saved_method")
    await story.at_stripe("pay", session=session, token="tok_visa")
    await story.act(partial(refresh_saved_method, saved), "read the card")
    await story.act(partial(scenes.charge_named, "one"), "charge", then=("stripe-commands", *HEARD))
    for name in ("kept", "freed"):
        await scenes.authorise(name)
    await story.act(partial(scenes.capture, "kept"), "capture", then=("stripe-commands", *HEARD))
    await story.act(partial(scenes.release_named, "freed"), "release", then=("stripe-commands", *HEARD))
    await scenes.ending()
    payments = await fetch("SELECT state, received_minor FROM payment ORDER BY received_minor")
    assert [tuple(row) for row in payments] == [("released", 0), ("paid", 12_000), ("paid", 15_000)]


async def order_again(story: Story) -> None:
    """Leave an order unpaid; order another one again, whose page is closed first, and pay once."""
    left, first, second = (named(name, "order") for name in ("left", "first", "second"))
    await scenes.order_named("left", reason="")
    story.pass_time(2 * HOUR)
    await story.work("lapse-orders", "stripe-commands expiry")
    await scenes.order_named("first", reason="")
    seeded, page = await scenes.shop(), (await get_payment(first)).session_id
    quote = await catalogue.quote(seeded.partner, seeded.release, quote_id=named("second", "quote"))
    by = await spender_for(seeded.partner)
    ordering = partial(order, seeded.partner, quote, by=by, order_id=second, email=scenes.EMAIL)
    await story.act(ordering, "order again", then=("stripe-commands",), later=LATER)
    sessions = {one["id"]: one["status"] for one in await asyncio.to_thread(story.stripe.list, "checkout/sessions")}
    assert sessions[page] == "expired"
    await pay_page(story, second)
    await story.work("stripe-commands", *HEARD, "settle-orders")
    states = {row["id"]: row["state"] for row in await fetch("SELECT id, state FROM purchase_order")}
    assert states == {left: "lapsed", first: "lapsed", second: "paid"}


async def buy_a_basket(story: Story) -> None:
    """Order a basket of three releases, charged once, each with its licence."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    first = await open_shop(period=(end - 7 * DAY, end))
    await execute("UPDATE dataset SET budget_micro = 90000000")
    more = [await seal_release(period=(end - (n + 1) * 7 * DAY, end - n * 7 * DAY)) for n in (1, 2)]
    partner, releases = await make_buyer(), [first, *more]
    await change_billing(partner, street="1 rue Longue", postcode="69001", city="Lyon", reference="")
    await save(story.stripe, partner, token="tok_visa")
    total = (await baskets.read_basket(releases)).total_minor
    ordering = partial(
        baskets.order,
        partner,
        releases,
        by=await spender_for(partner),
        total_minor=total,
        basket=named("one", "basket"),
    )
    await story.act(ordering, "order a basket", then=("stripe-commands",))
    for _ in range(2):
        await story.work("stripe-commands", *HEARD, "settle-orders")
    await story.work("stripe-commands", *HEARD, "settle-orders")
    assert await fetch_value("SELECT count(*) FROM purchase_order WHERE state = 'paid'") == 1
    assert await fetch_value("SELECT count(*) FROM licence") == len(releases)


STORIES: dict[Any, str] = {
    sell_and_refund: "quote, order, webhook, stripe-sweep, stripe-events, settle-orders, stripe-balance, invoices, hold-shares, "
    "refund, stripe-commands refund, stripe-events refund, record-refunds, cancel-shares",
    lose: "stripe-events, follow-disputes, stripe-balance, stripe-events lost, follow-disputes lost, cancel-shares, "
    "follow-disputes debit",
    charge_off_session: "keep a card, read the card, charge, capture, release",
    order_again: "lapse-orders, stripe-commands expiry, order again, settle-orders",
    buy_a_basket: "order a basket, settle-orders",
}
