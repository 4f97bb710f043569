"""`stripe setup`: one endpoint with just the handled events, safe to repeat, and what the account lacks in sentences."""

import contextlib
import io
import json
import os
import re
import time
from typing import Any

import pytest
from stripe import WebhookSignature

from marketplace.__main__ import parser
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.settings import settings
from marketplace.money.payments.account_setup import set_up
from marketplace.money.payments.events import receive_event
from marketplace.money.payments.rules import HANDLED_EVENTS, WEBHOOK_PATH


def endpoints(stripe: Any) -> list[dict[str, Any]]:
    return [one for one in stripe.list("webhook_endpoints") if one["url"] == f"{settings().url}{WEBHOOK_PATH}"]


def set_secret(secret: str | None) -> None:
    os.environ["STRIPE_WEBHOOK_SECRET"] = secret or ""
    settings.cache_clear()


def run_command_line_of_setup(*arguments: str) -> tuple[int, str]:
    """Run the command line; return its exit code and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        asked = parser().parse_args(arguments)
        code = asked.run(asked)
    return code, printed.getvalue()


async def test_an_endpoint_is_made_once_and_put_right_when_it_differs(stripe: Any) -> None:
    first = await set_up()
    assert first.secret is not None
    (made,) = endpoints(stripe)
    assert sorted(made["enabled_events"]) == sorted(HANDLED_EVENTS)
    assert made["api_version"] == first.api_version
    set_secret(first.secret)
    body = json.dumps({"id": "evt_1", "object": "event", "type": "refund.failed", "data": {"object": {}}})
    await receive_event(body.encode(), WebhookSignature.generate_signature_header(body, first.secret, int(time.time())))
    again = await set_up()
    assert (again.secret, again.plan.creates, again.plan.updates, again.plan.deletes) == (None, False, None, ())
    stripe.post(f"webhook_endpoints/{made['id']}", **{"enabled_events[]": "*", "disabled": "true"})
    put_right = await set_up()
    assert put_right.plan.updates == made["id"]
    (after,) = endpoints(stripe)
    assert (after["id"], after["status"], sorted(after["enabled_events"])) == (
        made["id"],
        "enabled",
        sorted(HANDLED_EVENTS),
    )


async def test_a_former_endpoint_delivers_until_the_new_secret_is_set(stripe: Any) -> None:
    url = f"{settings().url}{WEBHOOK_PATH}"
    old = stripe.post("webhook_endpoints", **{"url": url, "enabled_events[]": "*", "api_version": "2024-06-20"})
    stripe.post("webhook_endpoints", **{"url": "https://accounts.example/hook", "enabled_events[]": "*"})
    set_secret("whsec_of_the_former_endpoint")
    made = await set_up()
    assert old["id"] in {one["id"] for one in endpoints(stripe)}
    forgotten = await set_up()
    assert forgotten.plan.deletes == (), "webhooks come under the secret that the site still has"
    assert "STRIPE_WEBHOOK_SECRET is not the secret of we_" in forgotten.missing[0]
    set_secret(made.secret)
    assert (await set_up()).plan.deletes == (old["id"],)
    (current,) = endpoints(stripe)
    stripe.test("clock", seconds=2)
    replaced = await set_up(replace=True)
    assert (await set_up()).plan.deletes == ()
    set_secret(replaced.secret)
    assert (await set_up()).plan.deletes == (current["id"],)
    assert len(stripe.list("webhook_endpoints")) == 2, "an endpoint of another address is not ours"


async def test_what_the_account_lacks_is_said(stripe: Any) -> None:
    set_secret((await set_up()).secret)
    report = await set_up()
    assert report.missing == []
    assert any("transfers to subscribers wait" in sentence for sentence in report.remarks)
    stripe.test("our_account", interval="manual")
    assert (await set_up()).remarks == []
    stripe.test(
        "our_account", charges_enabled=False, payouts_enabled=False, currency="usd", sepa="inactive", due=["tos"]
    )
    report = await set_up()
    assert len(report.missing) == 3
    assert "Stripe wants: tos." in report.missing[0]
    assert "USD" in report.missing[2]
    assert any("SEPA debits" in sentence for sentence in report.remarks)


async def test_connect_that_is_off_is_said(stripe: Any) -> None:
    stripe.test("fault", kind="status", status=400, path="/v1/accounts", method="GET")
    assert any("Connect does not answer" in sentence for sentence in (await set_up()).remarks)


async def test_an_address_that_stripe_cannot_reach_and_a_key_it_refuses_are_named(stripe: Any) -> None:
    stripe.test("fault", kind="status", status=401, path="/v1/webhook_endpoints", method="GET")
    with pytest.raises(Conflict, match="Stripe refuses"):
        await set_up()
    os.environ["STRIPE_API_BASE"] = ""
    settings.cache_clear()
    with pytest.raises(Invalid, match="PARTAGE_URL"):
        await set_up()


def test_the_command_prints_the_secret_once_and_fails_while_something_is_missing(stripe: Any) -> None:
    code, printed = run_command_line_of_setup("stripe", "setup")
    assert code == 1, "nobody may take it for done before the secret is set"
    (secret,) = re.findall(r"^STRIPE_WEBHOOK_SECRET=(whsec_\S+)$", printed, re.MULTILINE)
    for forgotten, problem in (("", "is empty"), ("whsec_of_another_endpoint", "is not the secret of")):
        set_secret(forgotten)
        code, printed = run_command_line_of_setup("stripe", "setup")
        assert (code, "whsec_" in printed) == (1, False)
        assert f"Missing: STRIPE_WEBHOOK_SECRET {problem}" in printed
        assert "--replace" in printed
    set_secret(secret)
    code, printed = run_command_line_of_setup("stripe", "setup")
    assert (code, "Missing" in printed) == (0, False)
    stripe.test("our_account", charges_enabled=False)
    code, printed = run_command_line_of_setup("stripe", "setup")
    assert code == 1
    assert "Missing: Stripe does not let this account charge anybody yet" in printed
