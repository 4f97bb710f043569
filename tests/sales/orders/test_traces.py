"""A purchase is one trace across site, worker and webhook, without a person in it; off, nothing is even imported."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from marketplace.core import tracing
from marketplace.core.settings import settings
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.stripe_calls import run_commands
from marketplace.sales.orders.settling import settle_paid
from tests.people.builders import Browser
from tests.sales.builders.shop import make_buyer, make_quote, open_shop, order_of, pay, place_order
from tests.support.collector import collecting
from tests.support.reads import fetch_value
from tests.support.waiting import until

PURCHASE = {"POST /quotes/{quote}/orders", "Stripe checkout", "store event", "read session", "settle order"}


async def work_with_traces() -> None:
    """Run the jobs of a purchase, each as the scheduler does."""
    for job in (run_commands, handle_events, sweep_events, handle_events, settle_paid):
        with tracing.job_run(job.__name__):
            await job()


async def test_a_purchase_is_one_trace_and_names_nobody(site: Callable[[], Any]) -> None:
    release = await open_shop()
    quote = await make_quote(await make_buyer(), release)
    with collecting() as collector:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.address
        settings.cache_clear()
        async with site(), Browser() as claire:
            await claire.sign_in("atelier@partner.example")
            answer = await place_order(claire, quote)
            assert (await pay(answer.headers["location"])).status_code == 303
            await until(lambda: fetch_value("SELECT count(*) FROM stripe_event WHERE type LIKE 'checkout.session.%'"))
            await work_with_traces()
            order = await order_of(quote)
            assert order["state"] == "paid"
            assert (await claire.get(f"/en/orders/{order['id']}")).status_code == 200
        tracing.flush()
    [began] = [span for span in collector.spans if span.name == "POST /quotes/{quote}/orders"]
    names = {span.name for span in collector.spans if span.trace == began.trace}
    assert names >= PURCHASE, names
    others = {span.name for span in collector.spans if span.trace != began.trace}
    assert not others & (PURCHASE - {"store event"}), "each is part of the purchase"
    assert {"job settle_paid", "POST /webhooks/stripe", "GET /orders/{order}"} <= others
    sent = b"".join(collector.bodies).lower()
    for secret in (
        "claire",
        "atelier",
        "partner.example",
        str(quote),
        str(order["id"]),
        order["number"],
        "testserver",
        "127.0.0.1",
    ):
        assert secret.lower().encode() not in sent, secret


@pytest.mark.usefixtures("database_url")
async def test_a_failure_is_traced_by_its_class_alone() -> None:
    with collecting() as collector:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.address
        settings.cache_clear()
        with pytest.raises(ValueError, match="claire"), tracing.span("work"):
            int("claire@atelier.example")
        tracing.flush()
    assert [(span.name, span.status) for span in collector.spans] == [("work", "ValueError")]
    assert b"claire" not in b"".join(collector.bodies)


@pytest.mark.long
def test_without_a_collector_nothing_is_imported() -> None:
    story = (
        "import sys, marketplace.site.app; from marketplace.core import tracing\n"
        "with tracing.job_run('x'), tracing.span('y', parent='00-1-2-01') as span: assert span is None\n"
        "assert tracing.carry({'metadata': {}}) == {'metadata': {}}\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL")}
    subprocess.run([sys.executable, "-c", story], check=True, env=environment)


def test_what_stripe_is_asked_keeps_the_trace_that_it_has() -> None:
    known = {"metadata": {"subject": str(uuid.uuid4()), "traceparent": "00-a"}}
    assert tracing.carried_by(known) == "00-a"
    for odd in (None, [], {}, {"metadata": []}, {"metadata": {"traceparent": 7}}):
        assert tracing.carried_by(odd) == ""
