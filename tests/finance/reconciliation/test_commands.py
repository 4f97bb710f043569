"""What is stuck at Stripe: seen, tried again, given up with a reason; refunds of a part from the order's page."""

import datetime as dt
import re
import uuid
from typing import Any

import httpx
import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.finance.bookkeeping.trail import list_actions
from marketplace.money.payments.events import sweep_events
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.stripe_calls import run_commands
from tests.finance.builders import sales
from tests.finance.builders.pages import signed_in
from tests.money.builders import SESSIONS, ask_payment, drain, make_paid
from tests.people.builders import page_text
from tests.sales.builders.shop import jobs
from tests.support.decisions import approve_waiting
from tests.support.reads import fetch, fetch_one, fetch_value

HOUR = dt.timedelta(hours=1)


async def send_command(visitor: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form as its page does."""
    page = await visitor.get(path.rpartition("/")[0] if "/commands/" in path else path.removesuffix("/refund"))
    token = re.search(r'name="_csrf_token" value="([^"]+)"', page.text)
    assert token, page.text
    data = {"_csrf_token": token.group(1), "form_id": str(uuid.uuid4()), **fields}
    return await visitor.post(path, data=data)


async def test_a_stuck_command_is_seen_and_tried_again(stripe: Any) -> None:
    await sales.write_shop()
    stripe.test("fault", kind="status", status=503, path=SESSIONS, method="POST", times=1)
    subject = uuid.uuid4()
    command = await ask_payment(subject)
    await run_commands()
    async with await signed_in("finance") as clerk, await signed_in("auditor") as auditor:
        assert "Nothing is stuck" in page_text(await clerk.get("/en/finance/commands")), "not for ten minutes"
        await execute(
            "UPDATE stripe_command SET created_at = created_at - interval '11 minutes', next_at = $1",
            clock.now() + HOUR,
        )
        for visitor in (clerk, auditor):
            shown = page_text(await visitor.get("/en/finance/commands"))
            assert "Open the payment page" in shown
            assert "APIError 503" in shown
            assert "€120.00" in shown
        assert "Try again" not in page_text(await auditor.get("/en/finance/commands"))
        assert (await auditor.post(f"/en/finance/commands/{command}", data={})).status_code == 403
        assert await run_commands() == 0
        assert (await send_command(clerk, f"/en/finance/commands/{command}", decision="retry")).status_code == 303
        assert await run_commands() == 1
        assert (await get_payment(subject)).state == "open"
        assert "Nothing is stuck" in page_text(await clerk.get("/en/finance/commands"))
        assert (await sent_blind(clerk, command)).status_code == 409, "done is done"
    assert [row.verb for row in (await list_actions()).rows] == ["command_retried"]


async def sent_blind(visitor: httpx.AsyncClient, command: uuid.UUID) -> httpx.Response:
    token = re.search(r'name="_csrf_token" value="([^"]+)"', (await visitor.get("/en/finance/orders")).text)
    csrf = token.group(1) if token else visitor.cookies.get("csrftoken", "")
    data = {"_csrf_token": csrf, "form_id": str(uuid.uuid4()), "decision": "retry"}
    return await visitor.post(f"/en/finance/commands/{command}", data=data)


@pytest.mark.parametrize("executed", [True, False])
async def test_a_failed_command_is_tried_again_with_a_fresh_key_after_looking(stripe: Any, executed: bool) -> None:  # noqa: FBT001
    """A refund that Stripe refused for good, or made though its answer said no: never made twice."""
    from marketplace.money.payments.actions import request_refund  # noqa: PLC0415
    from marketplace.money.payments.outbox import retry_command  # noqa: PLC0415

    subject, refund = await make_paid(stripe), uuid.uuid4()
    await request_refund(subject, amount_minor=5_000, refund_id=refund)
    stripe.test(
        "fault", kind="drop_after" if executed else "status", status=400, path="/v1/refunds", method="POST", times=1
    )
    await run_commands()
    await execute("UPDATE stripe_command SET state = 'failed' WHERE id = $1", refund)
    await retry_command(refund)
    assert (await drain())[-1] == "done 1"
    assert [made["amount"] for made in stripe.list("refunds")] == [5_000]
    assert (await get_payment(subject)).refunded_minor == 5_000


async def test_giving_up_needs_a_reason_and_what_stripe_did_all_the_same_counts(stripe: Any) -> None:
    await sales.write_shop()
    stripe.test("fault", kind="drop_after", path=SESSIONS, method="POST", times=1)
    subject = uuid.uuid4()
    command = await ask_payment(subject)
    await run_commands()
    await execute(
        "UPDATE stripe_command SET created_at = created_at - interval '1 hour', next_at = $1", clock.now() + HOUR
    )
    async with await signed_in("finance") as clerk:
        path = f"/en/finance/commands/{command}"
        assert (await send_command(clerk, path, decision="give_up", reason=" ")).status_code == 422
        assert (
            await send_command(clerk, path, decision="give_up", reason="The order lapsed long ago.")
        ).status_code == 303
        assert "Nothing is stuck" in page_text(await clerk.get("/en/finance/commands"))
    row = await fetch_one("SELECT state, settled_by, settled_reason FROM stripe_command")
    assert tuple(row or ()) == ("failed", "finance", "The order lapsed long ago.")
    assert (await get_payment(subject)).state == "failed"
    (session,) = stripe.list("checkout/sessions")
    stripe.test("pay", session=session["id"])
    await jobs()
    assert (await get_payment(subject)).state == "paid", "money is never dropped"


@pytest.mark.parametrize("minutes", [9, 11])
async def test_what_no_webhook_brought_in_time_is_named_once(stripe: Any, site: Any, minutes: int) -> None:
    await sales.write_shop()
    async with site():
        stripe.test("fault", kind="webhooks", lose=True)
        await ask_payment(uuid.uuid4())
        await run_commands()
        stripe.test("pay", session=stripe.list("checkout/sessions")[0]["id"])
        with clock.shifted(dt.timedelta(minutes=minutes)):
            await sweep_events()
            lost = await fetch("SELECT id FROM stripe_event WHERE lost_at IS NOT NULL")
            assert (len(lost) > 0) == (minutes > 10)
            await execute("UPDATE stripe_event SET lost_at = lost_at - interval '1 day'")
            await sweep_events()
            assert await fetch_value("SELECT count(*) FROM stripe_event WHERE lost_at > $1", clock.now() - HOUR) == 0
            async with await signed_in("auditor") as auditor:
                shown = page_text(await auditor.get("/en/finance/commands"))
            assert ("checkout.session.completed" in shown) == (minutes > 10)
            assert ("webhooks may not reach us" in shown) == (minutes > 10)


async def test_a_part_is_refunded_from_the_orders_page() -> None:
    await sales.write_shop()
    number = await sales.write_sold_order()
    await execute("UPDATE payment SET received_minor = amount_minor")
    async with await signed_in("finance") as clerk:
        path = f"/en/finance/orders/{number}/refund"
        for absurd in ("1,234", "-1", "x", "9999999", "0", "1e2"):
            assert (await send_command(clerk, path, reason="A gesture.", amount=absurd)).status_code == 422, absurd
        assert await fetch_value("SELECT count(*) FROM stripe_command WHERE verb = 'refund'") == 0
        assert (await send_command(clerk, path, reason="A gesture.", amount="12,50")).status_code == 303
    await approve_waiting()
    amount = await fetch_value("SELECT parameters->>'amount' FROM stripe_command WHERE verb = 'refund'")
    assert amount == "1250"
    assert await fetch_value("SELECT cancelled_at FROM licence") is None
    assert await fetch_value("SELECT contested_at IS NOT NULL FROM licence")
