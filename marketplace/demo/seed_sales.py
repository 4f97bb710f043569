"""The demo's sales: paid on the local counterpart's hosted page, then settled and shared as the jobs do it."""

from __future__ import annotations

import datetime as dt
import json
import ssl
import uuid
from typing import Any, Final

import httpx
from msgspec import Struct

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock
from marketplace.core.database import fetch_scalar
from marketplace.core.settings import LOCAL_STRIPE_KEY, settings
from marketplace.delivery.delta_sharing.actions import make_credential
from marketplace.delivery.downloads.queries import list_entitlements
from marketplace.delivery.links.actions import make_link
from marketplace.delivery.outgoing.notification_actions import add_endpoint, notify_programs
from marketplace.demo.seed_people import DemoPerson, get_buyer, get_partner
from marketplace.demo.stripe_counterpart.events import sign_event
from marketplace.finance.reconciliation import actions as finance
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.events import handle_events, receive_event
from marketplace.people.identity.actors import Actor
from marketplace.people.spending.rules import spender_of
from marketplace.sales.orders import actions as purchases
from marketplace.sales.orders.settling import settle_paid
from marketplace.subscribers.earnings import actions as earnings

EVENTS_SINCE: Final = dt.timedelta(days=25)
"""Longer than any wait between two sales of a month, and shorter than Stripe stores events."""
PROGRAM: Final = "https://dashboard.partage.invalid/hook"
"""It does not exist: the page shows how an address fails."""
NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""The counterpart speaks plain HTTP; loading certificates for each sale would take longer than the request."""
NAMESPACE: Final = uuid.UUID("0d1b6a0e-5df4-4a53-8a55-7f6b2f6a3c55")


class Sale(Struct, frozen=True):
    """One sale: which partner buys which release. name: unique, so that a repeated start sells it once."""

    name: str
    buyer: DemoPerson
    release: uuid.UUID


def order_of(sale: Sale) -> uuid.UUID:
    """Return the id of a sale's order."""
    return uuid.uuid5(NAMESPACE, f"order {sale.name}")


async def sell(*sales: Sale) -> None:
    """Make sales: each ordered and paid by its partner, then settled and shared. A repeated run sells each once."""
    for sale in sales:
        await _buy(sale)
    await process_payments()


async def process_payments() -> None:
    """Receive Stripe's events and mirror its balance, settle paid orders, hold shares and reconcile, like the jobs."""
    await _receive_events()
    await handle_events()
    await settle_paid()
    await mirror_balance()
    await earnings.hold_shares()
    await finance.reconcile()


async def _receive_events() -> None:
    """Receive the counterpart's latest events as signed webhooks: the site is not open yet to receive them."""
    async with _client(base_url=settings().stripe_url, auth=(LOCAL_STRIPE_KEY, "")) as stripe:
        since = int((clock.now() - EVENTS_SINCE).timestamp())
        answer = await stripe.get("/v1/events", params={"limit": 100, "created[gte]": since})
    for event in reversed(answer.raise_for_status().json()["data"]):
        body = json.dumps(event)
        signature = sign_event(body, settings().stripe_webhook_secret, int(clock.now().timestamp()))
        await receive_event(body.encode(), signature)


async def _buy(sale: Sale) -> None:
    quote, order = uuid.uuid5(NAMESPACE, f"quote {sale.name}"), order_of(sale)
    if await fetch_scalar(str, "SELECT state FROM payment WHERE subject = $1", order) == "paid":
        return
    partner = await get_partner(sale.buyer)
    if not await fetch_scalar(int, "SELECT count(*) FROM purchase_order WHERE id = $1", order):
        await catalogue.quote(partner, sale.release, quote_id=quote)
        by = spender_of(await get_buyer(sale.buyer))
        await purchases.order(partner, quote, by=by, order_id=order, email=sale.buyer.email)
    if address := await purchases.payment_page(partner, order):
        await pay_hosted_page(address)


async def connect_programs(buyer: DemoPerson) -> None:
    """Make a personal link to a partner's latest purchase, and a credential of Delta Sharing.

    A repeated run makes one each.
    """
    partner = await get_partner(buyer)
    person = await fetch_scalar(uuid.UUID, "SELECT id FROM person WHERE email = $1", buyer.email)
    bought = (await list_entitlements(partner, 1)).rows[0].id
    who = Actor(name=buyer.name, person=person, partner=partner)
    await make_link(who, bought, link_id=uuid.uuid5(NAMESPACE, f"link {buyer.email}"), label="dashboard", days=90)
    credential = uuid.uuid5(NAMESPACE, f"credential {buyer.email}")
    await make_credential(who, credential_id=credential, session="", kind="bearer", label="notebook", days=90)
    await add_endpoint(who, PROGRAM, endpoint_id=uuid.uuid5(NAMESPACE, f"endpoint {buyer.email}"))
    await notify_programs()


async def pay_hosted_page(address: str, method: str = "visa") -> str:
    """Pay on the counterpart's hosted page and return where it redirects the browser."""
    async with _client() as browser:
        answer = await browser.post(address, data={"method": method})
    return str(answer.headers.get("location", ""))


def _client(**options: Any) -> httpx.AsyncClient:  # noqa: ANN401 (httpx's own options)
    return httpx.AsyncClient(verify=NO_CERTIFICATES, **options)
