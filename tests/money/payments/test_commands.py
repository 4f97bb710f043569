"""Commands: whatever the network does between us and Stripe, one intent has one effect."""

import asyncio
import datetime as dt
import json
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.money.payments.actions import request_expiry, request_payment, request_refund
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.outbox import claim
from marketplace.money.payments.queries import get_payment, list_commands
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_command, run_commands
from tests.money.builders import SESSIONS, ask_payment, drain, make_paid
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_value
from tests.support.waiting import until


async def test_a_hosted_page_is_opened_with_everything_on_it(stripe: Any) -> None:
    subject = uuid.uuid4()
    async with transaction():
        command = await ask_payment(subject)
        assert await ask_payment(subject) == command
    assert await run_command(command) == "done"
    assert await run_command(command) == "done"
    (session,) = stripe.list("checkout/sessions")
    assert session["client_reference_id"] == session["metadata"]["subject"] == str(subject)
    assert (session["amount_total"], session["locale"], session["customer_email"]) == (
        12_000,
        "fr",
        "buyer@partner.example",
    )
    assert session["success_url"] == "http://site.example/orders/1"
    payment = await get_payment(subject)
    assert (payment.state, payment.session_id, payment.checkout_url) == (
        "open",
        session["id"],
        session["url"],
    )


@pytest.mark.parametrize("amount", [0, -1, 49, 100_000_000, 10**15])
async def test_absurd_amounts_are_refused(amount: int) -> None:
    with pytest.raises(Invalid, match="cannot be paid online"):
        await request_payment(
            uuid.uuid4(),
            amount_minor=amount,
            lines=[Line("x", amount)],
            email="a@b.example",
            success_url="http://x",
            cancel_url="http://x",
            locale="en",
            expires_at=clock.now(),
        )
    with pytest.raises(Invalid, match="add up"):
        await request_payment(
            uuid.uuid4(),
            amount_minor=5000,
            lines=[Line("x", 4999)],
            email="a@b.example",
            success_url="http://x",
            cancel_url="http://x",
            locale="en",
            expires_at=clock.now(),
        )
    assert await fetch_value("SELECT count(*) FROM payment") == 0


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
async def test_a_lost_request_or_answer(stripe: Any, kind: str) -> None:
    stripe.test("fault", kind=kind, path=SESSIONS, method="POST")
    await ask_payment(uuid.uuid4())
    assert await drain() == ["pending 0 APIConnectionError 0", "done 0"]
    assert len(stripe.list("checkout/sessions")) == 1


@pytest.mark.parametrize("status", [401, 403, 409, 429, 500, 503])
async def test_an_undecided_status_is_asked_again(stripe: Any, status: int) -> None:
    stripe.test("fault", kind="status", status=status, path=SESSIONS, method="POST")
    await ask_payment(uuid.uuid4())
    seen = await drain()
    assert len(seen) == 2
    assert seen[0].startswith("pending 0")
    assert str(status) in seen[0]
    assert seen[1] == "done 0"
    assert len(stripe.list("checkout/sessions")) == 1


async def test_a_waiting_command_is_left_alone_until_it_is_due(stripe: Any) -> None:
    stripe.test("fault", kind="status", status=503, path=SESSIONS, method="POST", times=3)
    command = await ask_payment(uuid.uuid4())
    waits = []
    for _ in range(3):
        await execute("UPDATE stripe_command SET next_at = $1", clock.now())
        assert await run_commands() == 1
        assert await run_commands() == 0
        waits.append(await fetch_value("SELECT next_at FROM stripe_command") - clock.now())
    for wait, longest in zip(waits, (1, 2, 4), strict=True):
        assert longest / 2 - 0.25 < wait.total_seconds() <= longest, (
            "less up to half, so that no two come back together"
        )
    with clock.shifted(dt.timedelta(seconds=5)):
        assert await run_command(command) == "done"


@pytest.mark.parametrize("executed", [True, False])
async def test_a_saved_500_is_replayed_for_a_day(stripe: Any, executed: bool) -> None:  # noqa: FBT001
    stripe.test("fault", kind="saved500", executed=executed, path=SESSIONS, method="POST")
    subject = uuid.uuid4()
    await ask_payment(subject)
    assert await drain() == ["pending 0 APIError 500", "pending 1 APIError 500", "done 1"]
    assert len(stripe.list("checkout/sessions")) == 1
    assert (await get_payment(subject)).state == "open"


async def test_a_saved_500_of_a_refund_pays_back_once(stripe: Any) -> None:
    subject = await make_paid(stripe)
    stripe.test("fault", kind="saved500", executed=True, path="/v1/refunds", method="POST")
    await request_refund(subject, amount_minor=12_000, refund_id=uuid.uuid4())
    assert (await drain())[-1] == "done 1"
    assert [refund["amount"] for refund in stripe.list("refunds")] == [12_000]
    assert (await get_payment(subject)).state == "refunded"


async def test_a_crash_between_stripe_and_our_commit(stripe: Any) -> None:
    subject = uuid.uuid4()
    command = await ask_payment(subject)
    await as_owner("ALTER TABLE stripe_command ADD CONSTRAINT crash CHECK (state <> 'done') NOT VALID")
    with pytest.raises(Exception, match="crash"):
        await run_command(command)
    await as_owner("ALTER TABLE stripe_command DROP CONSTRAINT crash")
    payment = await get_payment(subject)
    assert (payment.state, len(stripe.list("checkout/sessions"))) == ("requested", 1)
    assert await run_commands() == 0, "its lease protects it until it ends"
    with clock.shifted(dt.timedelta(minutes=3)):
        assert await run_commands() == 1
    assert len(stripe.list("checkout/sessions")) == 1
    assert (await get_payment(subject)).state == "open"


async def test_a_key_pruned_after_a_day_is_looked_for_first(stripe: Any) -> None:
    subject = uuid.uuid4()
    stripe.test("fault", kind="drop_after", path=SESSIONS, method="POST")
    command = await ask_payment(subject)
    assert await run_command(command) == "pending"
    stripe.test("forget_keys")
    with clock.shifted(dt.timedelta(hours=25)):
        assert await run_command(command) == "done"
    assert len(stripe.list("checkout/sessions")) == 1


async def test_a_refund_whose_key_was_pruned_pays_back_once(stripe: Any) -> None:
    subject = await make_paid(stripe)
    stripe.test("fault", kind="drop_after", path="/v1/refunds", method="POST")
    refund = uuid.uuid4()
    await request_refund(subject, amount_minor=12_000, refund_id=refund)
    assert await run_command(refund) == "pending"
    stripe.test("forget_keys")
    with clock.shifted(dt.timedelta(hours=25)):
        assert await run_command(refund) == "done"
    assert len(stripe.list("refunds")) == 1


async def test_an_hour_that_has_passed_does_not_stop_the_page(stripe: Any) -> None:
    subject = uuid.uuid4()
    await ask_payment(subject, minutes=5)
    assert await drain() == ["done 1"]
    assert (await get_payment(subject)).state == "open"
    assert len(stripe.list("checkout/sessions")) == 1


async def test_what_stripe_refuses_is_final_and_named(stripe: Any) -> None:
    subject = uuid.uuid4()
    command = await ask_payment(subject)
    await execute('UPDATE stripe_command SET parameters = parameters || \'{"mode": "subscription"}\'')
    assert await run_command(command) == "failed"
    assert (await get_payment(subject)).state == "failed"
    assert "InvalidRequestError 400" in (await list_commands(subject))[0].error
    assert stripe.list("checkout/sessions") == []


async def test_a_decline_leaves_the_page_open_and_a_second_card_pays(stripe: Any) -> None:
    subject = uuid.uuid4()
    await run_command(await ask_payment(subject))
    session = (await get_payment(subject)).session_id
    with pytest.raises(Exception, match="402"):
        stripe.test("pay", session=session, token="tok_chargeDeclinedInsufficientFunds")
    await sweep_events()
    await handle_events()
    assert (await get_payment(subject)).state == "open"
    stripe.test("pay", session=session)
    await sweep_events()
    await handle_events()
    payment = await get_payment(subject)
    assert (payment.state, payment.checkout_url) == ("paid", None)


async def test_two_workers_at_once_call_once(stripe: Any) -> None:
    for _ in range(7):
        await ask_payment(uuid.uuid4())
    stripe.test("fault", kind="delay", seconds=0.2, path=SESSIONS, method="POST", times=7)
    tried = await asyncio.gather(run_commands(), run_commands(), run_commands())
    assert sum(tried) == 7
    assert await fetch("SELECT DISTINCT state, attempts FROM stripe_command") == [("done", 1)]
    assert len(stripe.list("checkout/sessions")) == 7


async def test_no_two_claims_overlap() -> None:
    for _ in range(6):
        await execute("UPDATE stripe_command SET next_at = created_at")
        for _ in range(10):
            await ask_payment(uuid.uuid4())
        claims = await asyncio.gather(*(claim(3) for _ in range(8)))
        ids = [command.id for claim in claims for command in claim]
        assert len(ids) == len(set(ids)) >= 10


async def test_a_lease_that_ended_too_early_still_has_one_effect(stripe: Any) -> None:
    await ask_payment(uuid.uuid4())
    stripe.test("fault", kind="delay", seconds=0.5, path=SESSIONS, method="POST")

    async def impatient() -> int:
        await until(lambda: fetch_value("SELECT next_at > $1 FROM stripe_command", clock.now()))  # claimed by the other
        await execute("UPDATE stripe_command SET next_at = $1", clock.now())
        return await run_commands()

    await asyncio.gather(run_commands(), impatient())
    await drain()
    assert await fetch_value("SELECT state FROM stripe_command") == "done"
    assert len(stripe.list("checkout/sessions")) == 1


async def test_refunds_are_asked_once_and_within_what_was_paid(stripe: Any) -> None:
    subject, refund = await make_paid(stripe), uuid.uuid4()
    with pytest.raises(NotFound):
        await request_refund(uuid.uuid4(), amount_minor=1, refund_id=refund)
    for amount in (0, -5, 12_001):
        with pytest.raises(Invalid):
            await request_refund(subject, amount_minor=amount, refund_id=refund)
    await request_refund(subject, amount_minor=12_000, refund_id=refund)
    await request_refund(subject, amount_minor=12_000, refund_id=refund)
    for other in ({"amount_minor": 11_999}, {"subject": await make_paid(stripe)}):
        asked = {"subject": subject, "amount_minor": 12_000, "refund_id": refund} | other
        with pytest.raises(Conflict, match="another payment or amount"):
            await request_refund(asked.pop("subject"), **asked)
    with pytest.raises(Conflict, match="under way"):
        await request_refund(subject, amount_minor=12_000, refund_id=uuid.uuid4())
    assert await run_commands() == 1
    with pytest.raises(Conflict, match="not paid"):
        await request_refund(subject, amount_minor=12_000, refund_id=uuid.uuid4())
    assert [r["amount"] for r in stripe.list("refunds")] == [12_000]


async def test_a_page_nobody_may_pay_any_more(stripe: Any) -> None:
    waiting, gone = uuid.uuid4(), await make_paid(stripe)
    await ask_payment(waiting)
    assert await request_expiry(waiting) == await request_expiry(waiting)
    await request_expiry(gone)
    await execute("UPDATE stripe_command SET next_at = now() - interval '1 hour' WHERE verb = 'expire_session'")
    await drain()
    await drain()
    assert (await get_payment(waiting)).state == "expired"
    assert (await get_payment(gone)).state == "paid", "what is paid stays paid"
    assert {s["status"] for s in stripe.list("checkout/sessions")} == {"expired", "complete"}
    with pytest.raises(NotFound):
        await request_expiry(uuid.uuid4())


async def test_parameters_are_the_same_at_every_attempt(stripe: Any) -> None:
    command = await ask_payment(uuid.uuid4())
    before = json.loads(await fetch_value("SELECT parameters FROM stripe_command"))
    stripe.test("fault", kind="drop_after", path=SESSIONS, method="POST")
    await run_command(command)
    with clock.shifted(dt.timedelta(seconds=10)):
        await run_command(command)
    assert json.loads(await fetch_value("SELECT parameters FROM stripe_command")) == before
