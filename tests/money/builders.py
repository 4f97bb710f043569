"""Payments at the counterpart: pages that are open, paid or refused, cards that are kept, a limit of credit."""

import asyncio
import datetime as dt
import uuid
from typing import Any

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.money.credit.proposals import propose_limit
from marketplace.money.payments.actions import request_payment, request_saved_method
from marketplace.money.payments.events import handle_events, refresh_saved_method, sweep_events
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_command, run_commands
from marketplace.people.identity.actors import Actor
from tests.people.builders import make_staff
from tests.support.decisions import decide
from tests.support.reads import fetch_one, fetch_value

PAGE = {
    "success_url": "http://x.example/",
    "cancel_url": "http://x.example/",
    "locale": "en",
    "email": "a@partner.example",
}


async def save(stripe: Any, partner: uuid.UUID, **method: str) -> uuid.UUID:
    """Let a partner keep a card (`token`) or an account (`iban`)."""
    saved = uuid.uuid4()
    await request_saved_method(partner, saved_id=saved, **PAGE)
    assert await run_command(saved) == "done"
    session = await fetch_value("SELECT session_id FROM saved_method WHERE id = $1", saved)
    await asyncio.to_thread(stripe.test, "pay", session=session, **method)
    await refresh_saved_method(saved)
    return saved


REFUSING = {"generic_decline": "tok_chargeCustomerFail", "authentication_required": "tok_authenticationRequired"}


async def refusing(stripe: Any, partner: uuid.UUID, token: str) -> str:
    """Return a card of the partner's that was good when it was kept."""
    customer = await fetch_value("SELECT customer_id FROM payer WHERE partner = $1", partner)
    made = stripe.post("payment_methods", **{"type": "card", "card[token]": token})
    stripe.post(f"payment_methods/{made['id']}/attach", customer=customer)
    return str(made["id"])


SESSIONS = "/v1/checkout/sessions"


async def ask_payment(subject: uuid.UUID, amount: int = 12_000, *, minutes: int = 60) -> uuid.UUID:
    return await request_payment(
        subject,
        amount_minor=amount,
        currency="EUR",
        lines=[Line("Licence", amount - 2000), Line("VAT 20 %", 2000)],
        email="buyer@partner.example",
        success_url="http://site.example/orders/1",
        cancel_url="http://site.example/orders/1",
        locale="fr",
        expires_at=clock.now() + dt.timedelta(minutes=minutes),
    )


async def make_paid(stripe: Any, amount: int = 12_000) -> uuid.UUID:
    """Return a subject that is ordered and paid, and known to be."""
    subject = uuid.uuid4()
    await run_command(await ask_payment(subject, amount))
    await asyncio.to_thread(
        stripe.test, "pay", session=(await get_payment(subject)).session_id, token="tok_bypassPending"
    )
    await sweep_events()
    await handle_events()
    assert (await get_payment(subject)).state == "paid"
    return subject


async def drain(times: int = 8) -> list[str]:
    """Carry out what is pending, waiting for nothing, and return what each attempt left behind."""
    seen = []
    for _ in range(times):
        await execute("UPDATE stripe_command SET next_at = $1 WHERE state = 'pending'", clock.now())
        if not await run_commands():
            break
        row = await fetch_one("SELECT state, error, generation FROM stripe_command ORDER BY created_at DESC")
        seen.append(f"{row['state']} {row['generation']} {(row['error'] or '').split(':')[0]}".strip())
        if row["state"] != "pending":
            break
    return seen


async def open_page(amount: int = 5000) -> tuple[uuid.UUID, str]:
    """Return a subject whose hosted page is open, and its session."""
    subject = uuid.uuid4()
    command = await request_payment(
        subject,
        amount_minor=amount,
        lines=[Line("Licence", amount)],
        email="a@partner.example",
        locale="en",
        success_url="http://x.example/",
        cancel_url="http://x.example/",
        expires_at=clock.now() + dt.timedelta(hours=1),
    )
    assert await run_command(command) == "done"
    return subject, (await get_payment(subject)).session_id


async def state_of_payment(subject: uuid.UUID) -> str:
    return str((await get_payment(subject)).state)


async def with_limit(partner: uuid.UUID, amount: int, ada: Actor, bob: Actor) -> None:
    form = uuid.uuid4()
    await propose_limit(partner, amount, ada, reason="They pay on time.", form_id=form)
    await decide(form, bob, approve=True)


async def clerks(partner: uuid.UUID, limit: int) -> None:
    """Let two people grant a limit."""
    await with_limit(partner, limit, await make_staff("Ada"), await make_staff("Bob"))


DAY = dt.timedelta(days=1)
