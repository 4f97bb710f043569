"""Events: signed or refused, stored once, and of no consequence in which order or how often they come."""

import asyncio
import contextlib
import datetime as dt
import json
import os
import random
import time
import uuid
from typing import Any

import httpx
import pytest
from stripe import WebhookSignature

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Invalid
from marketplace.core.settings import settings
from marketplace.money.payments.actions import request_refund
from marketplace.money.payments.events import handle_events, refresh_payment, sweep_events
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.rules import HANDLED_EVENTS
from marketplace.money.payments.statuses import next_reading, record_payment
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.money.payments.stripe_port import StripePort, verify
from tests.money.builders import open_page, state_of_payment
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until


async def until_come(count: int) -> None:
    """Wait until that many events have come."""
    await until(lambda: fetch_value("SELECT count(*) >= $1 FROM stripe_event", count))


async def test_only_what_stripe_signed_just_now_comes_in(site: Any) -> None:
    body = json.dumps({"id": "evt_1", "object": "event", "type": "x", "data": {"object": {}}})

    async with site() as address, httpx.AsyncClient(base_url=address) as stranger:

        async def sent(text: str | bytes, signature: str | None) -> httpx.Response:
            headers = {"stripe-signature": signature} if signature else {}
            return await stranger.post("/webhooks/stripe", content=text, headers=headers)

        def signed(text: str, *, secret: str | None = None, late: int = 0) -> str:
            by = secret or settings().stripe_webhook_secret
            return WebhookSignature.generate_signature_header(text, by, int(time.time()) + late)

        for text, signature in (
            (body + " ", signed(body)),
            (body, signed(body, secret="whsec_other")),
            (body, None),
            (body, ""),
            (body, "t=,v1="),
            (body, "t=1"),
            (body, "t=1=2"),
            (body, signed(body).replace(",", "=2,")),
            (body, signed(body) + ",t=1"),
            (body, "t=-1,v1=x"),
            (body, signed(body, late=-301)),
            (body, signed(body, late=900)),
            (b"\xff\xfe", signed(body)),
            ("[]", signed("[]")),
            ("{", signed("{")),
            ('{"id": 1, "type": 2}', signed('{"id": 1, "type": 2}')),
        ):
            refused = await sent(text, signature)
            assert refused.status_code == 400, (text, signature)
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.json()["status"] == 400
        late_by = (await sent(body, signed(body, late=900))).json()["detail"]
        assert late_by.endswith("seconds from our clock; 300 are accepted."), "Stripe shows it to the operator"
        large = "x" * 1_000_001
        assert (await sent(large, signed(large))).status_code == 413
        assert await fetch_value("SELECT count(*) FROM stripe_event") == 0
        for late in (-100, 0, 290):
            assert (await sent(body, signed(body, late=late))).status_code == 200
        assert await fetch("SELECT id, payload, came_by FROM stripe_event") == [("evt_1", body, "webhook")]


@pytest.mark.parametrize("late", [-301, -300, 0, 300, 301])
@pytest.mark.usefixtures("stripe")
async def test_a_signature_counts_for_five_minutes_either_way(late: int) -> None:

    os.environ["STRIPE_WEBHOOK_SECRET"] = "whsec_of_this_test"
    settings.cache_clear()
    now = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
    signature = WebhookSignature.generate_signature_header("{}", "whsec_of_this_test", int(now.timestamp()) + late)
    with (
        contextlib.nullcontext() if abs(late) <= 300 else pytest.raises(Invalid, match="is 301 seconds from our clock")
    ):
        verify(b"{}", signature, now)


async def test_without_a_secret_nothing_comes_in(stripe: Any) -> None:
    assert stripe
    from marketplace.money.payments.events import receive_event  # noqa: PLC0415

    with pytest.raises(Invalid, match="signed"):
        await receive_event(b"{}", WebhookSignature.generate_signature_header("{}", ""))


async def test_duplicates_shuffles_and_an_endpoint_that_fails_at_first(stripe: Any, site: Any) -> None:
    async def each_was_tried() -> bool:
        return all(one["attempts"] for one in (await asyncio.to_thread(stripe.test, "log"))["deliveries"])

    stripe.test("fault", kind="webhooks", duplicate=True, shuffle=True)
    async with site():
        orders = [await open_page(1000 + n) for n in range(5)]
        await as_owner("ALTER TABLE stripe_event ADD CONSTRAINT shut CHECK (false) NOT VALID")
        for _, session in orders:
            await asyncio.to_thread(stripe.test, "pay", session=session)
        await until(each_was_tried)
        await as_owner("ALTER TABLE stripe_event DROP CONSTRAINT shut")
        await asyncio.to_thread(stripe.test, "deliver")
        await until_come(len(stripe.list("events")))
        await asyncio.gather(handle_events(), handle_events())
        assert {await state_of_payment(subject) for subject, _ in orders} == {"paid"}
        assert await fetch("SELECT error FROM stripe_event WHERE handled_at IS NULL OR error IS NOT NULL") == []


async def test_missed_webhooks_are_swept(stripe: Any, site: Any) -> None:
    async with site():
        stripe.test("fault", kind="webhooks", lose=True)
        subject, session = await open_page()
        await asyncio.to_thread(stripe.test, "pay", session=session)
        assert await handle_events() == 0
        assert await state_of_payment(subject) == "open"
        assert await sweep_events() == sum(event["type"] in HANDLED_EVENTS for event in stripe.list("events"))
        assert await sweep_events() == 0
        await handle_events()
        assert await state_of_payment(subject) == "paid"
        subject, session = await open_page()
        await asyncio.to_thread(stripe.test, "pay", session=session)
        assert await sweep_events() > 0
        await handle_events()
        assert await state_of_payment(subject) == "paid"


async def test_any_order_of_events_ends_the_same(stripe: Any) -> None:
    paid, paid_session = await open_page()
    refunded, refunded_session = await open_page()
    expired, expired_session = await open_page()
    for session in (paid_session, refunded_session):
        stripe.test("pay", session=session, token="tok_bypassPending")
    stripe.post(f"checkout/sessions/{expired_session}/expire")
    await sweep_events()
    await handle_events()
    await request_refund(refunded, amount_minor=5000, refund_id=uuid.uuid4())
    await run_commands()
    await sweep_events()
    chance = random.Random(3)  # noqa: S311 (the same shuffles every run)
    events = [row["id"] for row in await fetch("SELECT id FROM stripe_event")]
    for _ in range(4):
        chance.shuffle(events)
        for event in events:
            await execute("UPDATE stripe_event SET handled_at = NULL WHERE id = $1", event)
            await handle_events()
        assert [await state_of_payment(s) for s in (paid, refunded, expired)] == ["paid", "refunded", "expired"]


async def test_an_answer_asked_for_earlier_undoes_nothing(stripe: Any) -> None:
    subject, session = await open_page()
    async with StripePort() as port:
        stripe.test("pay", session=session)
        early = await next_reading()
        paid = await port.get_session(session)
        stripe.post("refunds", payment_intent=paid.intent_id, amount=100)
        late = await next_reading()
        refunded = await port.get_session(session)
    async with transaction():
        await record_payment(refunded, late)
        await record_payment(paid, early)
    assert (await get_payment(subject)).refunded_minor == 100
    async with transaction():
        await record_payment(paid, await next_reading())
    assert (await get_payment(subject)).refunded_minor == 0, "asked for last, it counts"


@pytest.mark.parametrize("ahead", [dt.timedelta(hours=6), -dt.timedelta(hours=6)])
async def test_a_clock_that_is_wrong_drops_no_money(stripe: Any, ahead: dt.timedelta) -> None:
    """The site looks while the page is open, by a clock of its own; then the worker hears that it is paid."""
    subject, session = await open_page()
    with clock.shifted(ahead):
        await refresh_payment(subject)
    stripe.test("pay", session=session)
    await sweep_events()
    await handle_events()
    assert await state_of_payment(subject) == "paid"


@pytest.mark.parametrize(
    ("iban", "before", "after"),
    [
        ("DE89370400440532013000", "processing", "paid"),
        ("DE62370400440532013001", "processing", "failed"),
    ],
)
async def test_a_debit_counts_once_the_bank_has_answered(stripe: Any, iban: str, before: str, after: str) -> None:
    subject, session = await open_page()
    stripe.test("pay", session=session, iban=iban)
    await sweep_events()
    await handle_events()
    assert await state_of_payment(subject) == before
    stripe.test("settle")
    await sweep_events()
    await handle_events()
    assert await state_of_payment(subject) == after


async def test_a_page_whose_time_is_over_expires(stripe: Any) -> None:
    subject, _ = await open_page()
    stripe.test("clock", seconds=3700)
    await sweep_events()
    await handle_events()
    payment = await get_payment(subject)
    assert (payment.state, payment.checkout_url) == ("expired", None)


async def test_what_is_not_ours_is_kept_and_named(stripe: Any) -> None:
    stranger = stripe.post(
        "checkout/sessions",
        **{
            "mode": "payment",
            "success_url": "http://x.example/",
            "client_reference_id": str(uuid.uuid4()),
            "line_items[0][quantity]": "1",
            "line_items[0][price_data][currency]": "eur",
            "line_items[0][price_data][unit_amount]": "700",
            "line_items[0][price_data][product_data][name]": "x",
        },
    )
    stripe.test("pay", session=stranger["id"])
    await sweep_events()
    await handle_events()
    assert await fetch_value("SELECT count(*) FROM payment") == 0
    (error,) = {row["error"] for row in await fetch("SELECT error FROM stripe_event WHERE error IS NOT NULL")}
    assert error == f"The session {stranger['id']} is for no payment of ours."
    subject, session = await open_page()
    await execute("UPDATE payment SET amount_minor = 5001")
    stripe.test("pay", session=session)
    await sweep_events()
    await handle_events()
    assert await state_of_payment(subject) == "open"
    assert "is over 5000 EUR" in await fetch_value("SELECT error FROM stripe_event ORDER BY handled_at DESC LIMIT 1")


async def test_a_second_page_paid_for_the_same_order_is_named(stripe: Any) -> None:
    subject, first = await open_page()
    await execute("UPDATE payment SET session_id = NULL, state = 'requested'")
    await execute(
        """UPDATE stripe_command SET state = 'pending', generation = 1, next_at = created_at,
                                     created_at = created_at + interval '2 h'"""
    )
    await run_commands()
    second = (await get_payment(subject)).session_id
    assert first != second
    stripe.test("pay", session=second)
    stripe.test("pay", session=first)
    await sweep_events()
    await handle_events()
    payment = await get_payment(subject)
    assert payment.state == "paid"
    other = first if payment.session_id == second else second
    errors = {row["error"] for row in await fetch("SELECT error FROM stripe_event WHERE error IS NOT NULL")}
    assert errors == {f"The session {other} pays a second time for {subject}."}


async def test_stripe_silent_leaves_events_waiting(stripe: Any) -> None:
    subject, session = await open_page()
    stripe.test("pay", session=session)
    await sweep_events()
    stripe.test("fault", kind="status", status=503, path="/v1/checkout/.*", times=1000)
    await handle_events()
    assert await state_of_payment(subject) == "open"
    stripe.test("nofault")
    await handle_events()
    assert await state_of_payment(subject) == "paid"


async def test_a_refund_made_in_the_dashboard_is_seen(stripe: Any) -> None:
    subject, session = await open_page()
    stripe.test("pay", session=session, token="tok_bypassPending")
    await sweep_events()
    await handle_events()
    payment = await get_payment(subject)
    part = stripe.post("refunds", payment_intent=payment.payment_intent_id, amount="123")
    await sweep_events()
    await handle_events()
    payment = await get_payment(subject)
    assert (payment.state, payment.refunded_minor) == ("paid", 123)
    stripe.test("fail_refund", refund=part["id"])
    await sweep_events()
    await handle_events()
    assert (await get_payment(subject)).refunded_minor == 0
