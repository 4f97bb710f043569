"""Which events are read, in every shape that Stripe gives them: with decimals, thin, and of an API version before."""

import datetime as dt
import json
import os
import time
from typing import Any

import pytest
from stripe import WebhookSignature

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.demo.stripe_counterpart.account_routes import ACCOUNT_OPERATIONS
from marketplace.demo.stripe_counterpart.parameters import read_params
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.events import handle_events, receive_event, sweep_events
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.rules import HANDLED_EVENTS, WEBHOOK_PATH
from tests.money.builders import open_page, state_of_payment
from tests.support.reads import fetch, fetch_value
from tests.support.stripe_fixtures import fixtures

SECRET = "whsec_of_these_tests"
MOST_TYPES_OF_A_LIST = 20


@pytest.fixture
def secret(stripe: Any) -> str:
    """Have webhooks come in that this secret signs."""
    del stripe
    os.environ["STRIPE_WEBHOOK_SECRET"] = SECRET
    settings.cache_clear()
    return SECRET


async def come(event: dict[str, Any]) -> None:
    """Let a webhook come in."""
    body = json.dumps(event)
    await receive_event(body.encode(), WebhookSignature.generate_signature_header(body, SECRET, int(time.time())))


def add_lost_endpoint(stripe: Any, url: str) -> None:
    """Register a webhook endpoint that nothing reaches."""
    stripe.test("fault", kind="webhooks", lose=True)
    stripe.post("webhook_endpoints", **{"url": url, "enabled_events[]": "*"})


def thin(event: dict[str, Any], *, names_snapshot: bool) -> dict[str, Any]:
    """Return the thin notification of an event."""
    thing = event["data"]["object"]
    return {
        "id": f"evt_thin_{event['id']}",
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": dt.datetime.fromtimestamp(event["created"], dt.UTC).isoformat().replace("+00:00", "Z"),
        "livemode": False,
        "context": None,
        "related_object": {"id": thing["id"], "type": thing["object"], "url": f"/v1/x/{thing['id']}"},
    } | ({"snapshot_event": event["id"]} if names_snapshot else {})


def test_an_endpoint_and_a_sweep_can_ask_for_every_handled_type() -> None:
    assert len(set(HANDLED_EVENTS)) == len(HANDLED_EVENTS) <= MOST_TYPES_OF_A_LIST
    (create,) = [one for one in ACCOUNT_OPERATIONS if (one.method, one.path) == ("POST", "/v1/webhook_endpoints")]
    form = {"url": "https://x.example/", "enabled_events": {str(at): one for at, one in enumerate(HANDLED_EVENTS)}}
    assert read_params(create.params_type(), form)["enabled_events"] == list(HANDLED_EVENTS)


async def test_an_event_with_a_decimal_is_stored(stripe: Any) -> None:
    """One such event once ended the sweep for as long as Stripe listed it, and older ones were never stored."""
    _, session = await open_page()
    stripe.test("pay", session=session)
    (page,) = stripe.list("checkout/sessions")
    page["currency_conversion"] = {
        "amount_subtotal": 5000,
        "amount_total": 5000,
        "fx_rate": "1.0837",
        "source_currency": "eur",
    }
    stripe.test("event", type="checkout.session.completed", object=page)
    assert await sweep_events() > 0
    assert await fetch_value("SELECT count(*) FROM stripe_event WHERE payload LIKE '%\"1.0837\"%'") == 1
    assert await sweep_events() == 0, "and the next sweep begins after it"


@pytest.mark.deep
async def test_every_object_that_the_package_describes_is_swept(stripe: Any) -> None:
    given = fixtures()
    for kind, thing in given.items():
        stripe.test("event", type="charge.refunded", object=thing, api_version=f"for {kind}"[:40])
    assert await sweep_events() == len(given)
    assert len(given) > 100
    decimals = await fetch_value("SELECT count(*) FROM stripe_event WHERE payload LIKE '%\"12.345\"%'")
    assert decimals > 5, "numbers that JSON has no exact word for are among them"
    await handle_events()
    assert await fetch_value("SELECT count(*) FROM stripe_event WHERE handled_at IS NULL") == 0


async def test_only_what_is_handled_and_comes_after_the_endpoint_is_lost(stripe: Any, secret: str) -> None:
    assert secret
    before, session = await open_page()
    stripe.test("pay", session=session)
    stripe.test("clock", seconds=60)
    add_lost_endpoint(stripe, f"{settings().url}{WEBHOOK_PATH}")
    stripe.test("clock", seconds=60)
    _, session = await open_page()
    stripe.test("pay", session=session)
    stripe.test("event", type="customer.updated", object={"id": "cus_1", "object": "customer"})
    await come({"id": "evt_other", "object": "event", "type": "price.created", "created": 1, "data": {"object": {}}})
    with clock.shifted(dt.timedelta(minutes=20)):
        await sweep_events()
        lost = {row["type"] for row in await fetch("SELECT type FROM stripe_event WHERE lost_at IS NOT NULL")}
        assert "checkout.session.completed" in lost
        assert lost <= set(HANDLED_EVENTS)
        completed = (
            "SELECT count(*) FROM stripe_event WHERE type = 'checkout.session.completed' AND lost_at IS NOT NULL"
        )
        assert await fetch_value(completed) == 1, "before there was an endpoint nothing could be lost"
        await handle_events()
    assert await state_of_payment(before) == "paid"


@pytest.mark.parametrize("names_snapshot", [True, False])
async def test_thin_and_snapshot_notifications_of_a_change_count_once(
    stripe: Any, secret: str, *, names_snapshot: bool
) -> None:
    assert secret
    subject, session = await open_page()
    stripe.test("pay", session=session, token="tok_bypassPending")
    intent = stripe.list("payment_intents")[0]["id"]
    stripe.post("refunds", payment_intent=intent, amount="700")
    events = [event for event in stripe.list("events") if event["type"] in HANDLED_EVENTS]
    assert {"checkout.session.completed", "charge.refunded"} <= {event["type"] for event in events}
    for at, event in enumerate(events):
        for each in (thin(event, names_snapshot=names_snapshot), event)[:: 1 if at % 2 else -1]:
            await come(each)
    await handle_events()
    payment = await get_payment(subject)
    assert (payment.state, payment.received_minor, payment.refunded_minor) == ("paid", 5000, 700)
    errors = await fetch("SELECT type, error FROM stripe_event WHERE error IS NOT NULL OR handled_at IS NULL")
    assert [tuple(row) for row in errors] == []
    known = await fetch_value("SELECT count(*) FROM stripe_event")
    assert known == len(events) * (1 if names_snapshot else 2)
    assert await sweep_events() == 0, "the sweep knows them all"


async def test_thin_notifications_alone_are_enough(stripe: Any, secret: str) -> None:
    assert secret
    subject, session = await open_page()
    stripe.test("pay", session=session, token="tok_bypassPending")
    intent = stripe.list("payment_intents")[0]["id"]
    stripe.post("refunds", payment_intent=intent, amount="700")
    for event in stripe.list("events"):
        if event["type"] in ("checkout.session.completed", "charge.refunded"):
            await come(thin(event, names_snapshot=True))
    await handle_events()
    assert (await get_payment(subject)).refunded_minor == 700
    add_lost_endpoint(stripe, f"{settings().url}{WEBHOOK_PATH}")
    with clock.shifted(dt.timedelta(minutes=20)):
        await sweep_events()
    lost = {row["type"] for row in await fetch("SELECT type FROM stripe_event WHERE lost_at IS NOT NULL")}
    assert not lost & {"checkout.session.completed", "charge.refunded"}


async def test_an_event_of_the_api_version_before_changes_nothing(stripe: Any, secret: str) -> None:
    """Recorded bodies: charges nested in their intent, refunds in their charge, and payment_method_types."""
    assert secret
    subject, session = await open_page()
    stripe.test("pay", session=session, token="tok_bypassPending")
    await sweep_events()
    await handle_events()
    await mirror_balance()
    intent = stripe.list("payment_intents")[0]
    charge = stripe.list("charges")[0]
    everything = "SELECT * FROM payment", "SELECT * FROM balance_transaction ORDER BY id", "SELECT * FROM posting"

    async def known() -> list[Any]:
        rows = [await fetch(sql) for sql in everything]
        return [[{k: v for k, v in row.items() if k not in ("read_at", "reading")} for row in table] for table in rows]

    paid = await known()
    for at, (kind, thing) in enumerate(recorded_news(str(subject), session, intent["id"], charge["id"]).items()):
        event = {
            "id": f"evt_of_before_{at}",
            "object": "event",
            "api_version": "2022-11-15",
            "created": int(time.time()) - 600,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            "data": {"object": thing, "previous_attributes": {"status": "requires_action"}},
        }
        await come(event)
        await come(event)
    assert await handle_events() == len(recorded_news("", "", "", ""))
    await mirror_balance()
    assert await known() == paid
    assert (await get_payment(subject)).state == "paid"
    assert await fetch_value("SELECT count(*) FROM stripe_event WHERE error IS NOT NULL OR handled_at IS NULL") == 0


def recorded_news(subject: str, session: str, intent: str, charge: str) -> dict[str, dict[str, Any]]:
    """Return what webhooks of the API version 2022-11-15 said of a payment: earlier states of it, and one that is wrong."""
    old_charge = {
        "id": charge,
        "object": "charge",
        "amount": 5000,
        "amount_captured": 5000,
        "amount_refunded": 5000,
        "currency": "eur",
        "payment_intent": intent,
        "refunded": True,
        "refunds": {"object": "list", "data": [{"id": "re_1", "object": "refund", "amount": 5000}], "has_more": False},
        "source": None,
        "status": "succeeded",
    }
    old_intent = {
        "id": intent,
        "object": "payment_intent",
        "amount": 5000,
        "charges": {"object": "list", "data": [old_charge], "has_more": False},
        "currency": "eur",
        "metadata": {"subject": subject},
        "payment_method_types": ["card"],
        "status": "canceled",
    }
    return {
        "payment_intent.canceled": old_intent,
        "payment_intent.payment_failed": {**old_intent, "status": "requires_payment_method"},
        "charge.refunded": old_charge,
        "charge.failed": {**old_charge, "status": "failed", "payment_intent": None, "id": "ch_of_nobody"},
        "checkout.session.expired": {
            "id": session,
            "object": "checkout.session",
            "client_reference_id": subject,
            "mode": "payment",
            "payment_intent": intent,
            "payment_method_types": ["card", "sepa_debit"],
            "payment_status": "unpaid",
            "status": "expired",
        },
        "source.chargeable": {"id": "src_1", "object": "source"},
    }
