"""Off session: saved methods, charges, deposits; and the hosted page where the bank wants them there."""

import asyncio
import datetime as dt
import uuid
from typing import Any

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid
from marketplace.money.payments.actions import (
    capture_deposit,
    release_deposit,
    request_charge,
    request_deposit,
    request_forgetting,
    request_page_again,
)
from marketplace.money.payments.balance import mirror_balance
from marketplace.money.payments.events import handle_events, sweep_events
from marketplace.money.payments.queries import (
    find_saved_method,
    get_payment,
    list_commands,
    list_partners_with_saved_method,
)
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_command, run_commands
from marketplace.money.payments.stripe_port import StripePort
from tests.money.builders import PAGE, REFUSING, refusing, save
from tests.sales.builders.shop import make_buyer
from tests.support.reads import fetch_value


async def handle_news() -> None:
    """Let every event of Stripe be handled."""
    await sweep_events()
    await handle_events()


async def charge_and_carry_out(partner: uuid.UUID, amount: int = 12_000) -> uuid.UUID:
    """Ask for a charge and carry everything out."""
    subject = uuid.uuid4()
    await request_charge(
        subject,
        partner,
        amount_minor=amount,
        lines=[Line("Award", amount)],
        expires_at=clock.now() + dt.timedelta(hours=2),
        **PAGE,
    )
    await due()
    return subject


async def deposit(partner: uuid.UUID, amount: int = 20_000) -> uuid.UUID:
    """Ask for a deposit and carry everything out."""
    subject = uuid.uuid4()
    await request_deposit(
        subject, partner, amount_minor=amount, text="Deposit", expires_at=clock.now() + dt.timedelta(hours=2), **PAGE
    )
    await due()
    return subject


async def due(times: int = 6) -> None:
    """Carry out what is pending, waiting for nothing."""
    for _ in range(times):
        await execute("UPDATE stripe_command SET next_at = $1 WHERE state = 'pending'", clock.now())
        if not await run_commands():
            break


async def state_charged(subject: uuid.UUID) -> str:
    return str((await get_payment(subject)).state)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ({"token": "tok_visa"}, "card"),
        ({"iban": "DE89370400440532013000"}, "sepa_debit"),
    ],
)
async def test_a_method_is_kept_and_charged(stripe: Any, method: dict[str, str], kind: str) -> None:
    partner, other = await make_buyer(), await make_buyer("other")
    assert await find_saved_method(partner) is None
    saved = await save(stripe, partner, **method)
    row = await find_saved_method(partner)
    assert row is not None
    assert (row.id, row.kind, len(row.last_four)) == (saved, kind, 4)
    assert await list_partners_with_saved_method([partner, other]) == {partner}
    assert len(stripe.list("customers")) == 1, "one customer a partner"
    subject = await charge_and_carry_out(partner)
    if kind == "sepa_debit":
        assert await state_charged(subject) == "processing"
        await asyncio.to_thread(stripe.test, "settle")
        await handle_news()
    payment = await get_payment(subject)
    assert (payment.state, payment.received_minor, payment.session_id) == ("paid", 12_000, None)
    await handle_news()
    await mirror_balance()
    assert await fetch_value("SELECT payment_subject FROM balance_transaction WHERE category = 'charge'") == subject
    await request_forgetting(partner, saved)
    await due()
    await handle_news()
    assert await find_saved_method(partner) is None
    async with StripePort() as port:
        assert not await port.is_attached(row.method_id)


async def test_a_method_counts_while_it_is_valid(stripe: Any) -> None:
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    ends_on = (await find_saved_method(partner)).ends_on  # type: ignore[union-attr]
    assert ends_on == dt.date(2035, 1, 1), "the counterpart's cards are good until December 2034"
    days = (ends_on - clock.now().date()).days
    with clock.shifted(dt.timedelta(days=days - 1)):
        assert await find_saved_method(partner)
    with clock.shifted(dt.timedelta(days=days)):
        assert await find_saved_method(partner) is None
        assert await list_partners_with_saved_method([partner]) == set()


async def test_a_method_forgotten_at_stripe_is_forgotten_here(stripe: Any) -> None:
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    method = (await find_saved_method(partner)).method_id  # type: ignore[union-attr]
    await handle_news()
    stripe.post(f"payment_methods/{method}/detach")
    await handle_news()
    assert await find_saved_method(partner) is None
    subject = await charge_and_carry_out(partner)
    assert (await get_payment(subject)).checkout_url, "nothing saved: a hosted page at once"


@pytest.mark.parametrize("why", list(REFUSING))
@pytest.mark.parametrize("fault", [None, "drop_after", "saved500"])
async def test_a_bank_that_refuses_leads_to_a_page(stripe: Any, why: str, fault: str | None) -> None:
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    await execute("UPDATE saved_method SET method_id = $1", await refusing(stripe, partner, REFUSING[why]))
    if fault:
        executed = {"executed": True} if fault == "saved500" else {}
        stripe.test("fault", kind=fault, path="/v1/payment_intents", method="POST", **executed)
    subject = await charge_and_carry_out(partner)
    payment = await get_payment(subject)
    assert payment.state == "open"
    assert payment.declined == why
    intents = stripe.list("payment_intents")
    assert [intent["status"] for intent in intents] == ["canceled"], "nobody can confirm the first attempt any more"
    await handle_news()
    assert await state_charged(subject) == "open"
    await asyncio.to_thread(stripe.test, "pay", session=payment.session_id)
    await handle_news()
    assert (await get_payment(subject)).state == "paid"
    assert [c.state for c in await list_commands(subject)] == ["done", "done"]
    await mirror_balance()
    assert await fetch_value("SELECT count(*) FROM balance_transaction WHERE category = 'charge'") == 1


@pytest.mark.parametrize(
    ("kind", "extra"),
    [
        ("drop_before", {}),
        ("drop_after", {}),
        ("status", {"status": 429}),
        ("saved500", {"executed": True}),
        ("saved500", {"executed": False}),
    ],
)
async def test_a_charge_is_made_once_whatever_the_network_does(stripe: Any, kind: str, extra: Any) -> None:
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    stripe.test("fault", kind=kind, path="/v1/payment_intents", method="POST", **extra)
    subject = await charge_and_carry_out(partner)
    assert await state_charged(subject) == "paid"
    assert [intent["status"] for intent in stripe.list("payment_intents")] == ["succeeded"]


async def test_a_charge_whose_key_was_pruned_is_looked_for(stripe: Any) -> None:
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    stripe.test("fault", kind="drop_after", path="/v1/payment_intents", method="POST", times=1)
    subject = uuid.uuid4()
    command = await request_charge(
        subject, partner, amount_minor=5000, lines=[Line("Award", 5000)], expires_at=clock.now(), **PAGE
    )
    assert await run_command(command) == "pending"
    stripe.test("forget_keys")
    with clock.shifted(dt.timedelta(hours=25)):
        assert await run_command(command) == "done"
    assert await state_charged(subject) == "paid"
    assert len(stripe.list("payment_intents")) == 1


async def test_a_saved_account_that_does_not_pay_leads_to_a_page(stripe: Any) -> None:
    partner = await make_buyer()
    await save(stripe, partner, iban="DE62370400440532013001")
    subject = await charge_and_carry_out(partner)
    assert await state_charged(subject) == "processing"
    stripe.test("settle")
    await handle_news()
    await due()
    payment = await get_payment(subject)
    assert (payment.state, payment.declined) == ("open", "payment_failed")
    stripe.test("pay", session=payment.session_id)
    await handle_news()
    assert await state_charged(subject) == "paid"


async def test_a_page_that_expired_is_opened_again(stripe: Any) -> None:
    partner = await make_buyer()
    subject = await charge_and_carry_out(partner)
    first = await get_payment(subject)
    stripe.test("clock", days=1)
    await handle_news()
    assert await state_charged(subject) == "expired"
    ends_at = clock.now() + dt.timedelta(days=1, hours=2)
    command = await request_page_again(subject, expires_at=ends_at)
    assert await request_page_again(subject, expires_at=ends_at) == command
    await due()
    second = await get_payment(subject)
    assert second.state == "open"
    assert second.session_id != first.session_id
    await execute("UPDATE stripe_event SET handled_at = NULL")
    await handle_events()
    assert await state_charged(subject) == "open", "what is heard of the first page changes nothing"
    stripe.test("pay", session=second.session_id)
    await handle_news()
    assert await state_charged(subject) == "paid"


# ------------------------------------------------------------------ deposits
@pytest.mark.parametrize("kept", [True, False])
async def test_a_deposit_is_held_then_captured_in_part(stripe: Any, kept: bool) -> None:  # noqa: FBT001
    partner = await make_buyer()
    if kept:
        await save(stripe, partner, token="tok_bypassPending")
    subject = await deposit(partner)
    if not kept:
        assert await state_charged(subject) == "open"
        stripe.test("pay", session=(await get_payment(subject)).session_id, token="tok_bypassPending")
        await handle_news()
    payment = await get_payment(subject)
    assert payment.state == "authorised"
    days = (payment.capture_before - clock.now()) / dt.timedelta(days=1)
    assert 6.9 < days < 7.1, "as Stripe says in capture_before"
    await mirror_balance()
    assert await fetch_value("SELECT count(*) FROM balance_transaction") == 0, "nothing is captured yet"
    for absurd in (0, -1, 20_001):
        with pytest.raises(Invalid):
            await capture_deposit(subject, amount_minor=absurd)
    command = await capture_deposit(subject, amount_minor=15_000)
    assert await capture_deposit(subject, amount_minor=15_000) == command
    with pytest.raises(Conflict, match="captured"):
        await release_deposit(subject)
    stripe.test("fault", kind="saved500", executed=True, path=".*/capture", method="POST")
    await due()
    await handle_news()
    payment = await get_payment(subject)
    assert (payment.state, payment.received_minor, payment.refunded_minor) == ("paid", 15_000, 0)
    assert [c.state for c in await list_commands(subject)] == ["done", "done"]
    await mirror_balance()
    assert await fetch_value("SELECT sum(amount_minor) FROM balance_transaction") == 15_000


@pytest.mark.parametrize("fault", [None, "drop_after", "saved500"])
async def test_a_deposit_is_released(stripe: Any, fault: str | None) -> None:
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    subject = await deposit(partner)
    if fault:
        extra = {"executed": True} if fault == "saved500" else {}
        stripe.test("fault", kind=fault, path=".*/cancel", method="POST", **extra)
    assert await release_deposit(subject) == await release_deposit(subject)
    with pytest.raises(Conflict, match="released"):
        await capture_deposit(subject, amount_minor=1)
    await due()
    await handle_news()
    assert await state_charged(subject) == "released"
    assert await release_deposit(subject) is not None
    await mirror_balance()
    assert await fetch_value("SELECT count(*) FROM balance_transaction") == 0


async def test_a_deposit_that_nobody_made_is_released_with_its_page(stripe: Any) -> None:
    partner = await make_buyer()
    subject, late = await deposit(partner), await deposit(partner)
    await release_deposit(subject)
    stripe.test("pay", session=(await get_payment(late)).session_id)
    await release_deposit(late)
    await due()
    assert (await state_charged(subject), await state_charged(late)) == ("expired", "released")
    assert {s["status"] for s in stripe.list("checkout/sessions")} == {"expired", "complete"}


async def test_a_hold_that_ran_out_is_no_money(stripe: Any) -> None:
    partner = await make_buyer()
    await save(stripe, partner, token="tok_visa")
    late, idle = await deposit(partner), await deposit(partner)
    await capture_deposit(late, amount_minor=20_000)
    stripe.test("clock", days=8)
    await due()
    await handle_news()
    assert (await state_charged(late), await state_charged(idle)) == ("released", "released")
    assert (await list_commands(late))[-1].state == "failed", "finance sees that the capture came too late"
    await mirror_balance()
    assert await fetch_value("SELECT count(*) FROM balance_transaction") == 0
