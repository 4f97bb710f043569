"""Scenes of money: a small shop, buying, charging, giving back, disputes, and how all of it must end, to the cent.

`ending` is what anyone would check after any accident: one charge, one sale, one paper, shares that add up, the books
equal to Stripe's balance, and every invariant.
"""

import asyncio
import datetime as dt
import hashlib
import io
import os
import ssl
import uuid
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.catalogue.offers import actions as catalogue
from marketplace.core import clock, object_store
from marketplace.core.database import copy_in, execute, transaction
from marketplace.core.settings import settings
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.actions import (
    capture_deposit,
    release_deposit,
    request_charge,
    request_deposit,
    request_saved_method,
)
from marketplace.money.payments.balance import mirror_balance, read_balance
from marketplace.money.payments.events import handle_events, refresh_saved_method, sweep_events
from marketplace.money.payments.outbox import find_command
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_calls import run_command, run_commands
from marketplace.oversight import invariants
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.disputes import follow_disputes
from marketplace.sales.orders.refunds import record_refunds, request_order_refund
from marketplace.sales.orders.settling import lapse_unpaid, settle_paid
from marketplace.subscribers.earnings.actions import cancel_shares, hold_shares
from marketplace.subscribers.earnings.month_close import close_months
from marketplace.subscribers.earnings.queries import list_unequal_accounts
from tests.people.builders import spender_for
from tests.sales.builders.shop import jobs, make_buyer, open_shop
from tests.support.owner import as_owner
from tests.support.reads import fetch_one, fetch_value

Step = Callable[[str], Awaitable[object]]

NAMESPACE = uuid.UUID("5ce9e5c0-0000-4000-8000-000000000000")
GOOD_IBAN = "DE89370400440532013000"
EMAIL = "atelier@partner.example"
PAGE = {"success_url": "http://x.example/", "cancel_url": "http://x.example/", "locale": "en", "email": EMAIL}


def named(name: str, what: str) -> uuid.UUID:
    """Return the id that `what` of a scene's subject bears: the same in every process."""
    return uuid.uuid5(NAMESPACE, f"{name} {what}")


# ------------------------------------------------------------------ the counterpart
def at_stripe(method: str, path: str, /, **fields: Any) -> Any:
    """Ask the counterpart: `_test/…` steers it, `v1/…` is its API."""
    headers = {"authorization": f"Bearer {settings().stripe_key}"}
    # It speaks http: to load certificates would take longer than to ask.
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with httpx.Client(base_url=os.environ["STRIPE_API_BASE"], headers=headers, timeout=10, verify=bare) as client:
        sent: dict[str, Any] = {"json": fields} if path.startswith("_test") else {"data": fields}
        answer = client.get(path, params=fields) if method == "get" else client.post(path, **sent)
        answer.raise_for_status()
        return answer.json()


async def pay_subject(subject: uuid.UUID, **method: str) -> None:
    """Pay a subject's hosted page, if it is open."""
    payment = await get_payment(subject)
    if payment.state == "open":
        await asyncio.to_thread(at_stripe, "post", "_test/pay", session=payment.session_id, **method)


async def charges_of(subject: uuid.UUID) -> list[Any]:
    """Return every charge that Stripe took for a subject."""
    everything = await asyncio.to_thread(at_stripe, "get", "v1/charges", limit=100)
    return [one for one in everything["data"] if one["metadata"].get("subject") == str(subject) and one["captured"]]


# ------------------------------------------------------------------ the shop
async def shop() -> SimpleNamespace:
    """Make the shop once: a release with three people in it, and one vetted partner."""
    if (release := await fetch_value("SELECT id FROM release")) is None:
        release = await open_shop()
        await make_buyer("atelier")
        await copy_in("subscriber", ["reference"], [(1,), (2,), (3,)])
        manifest = io.BytesIO()
        table = pa.table({"reference": pa.array([1, 2, 3], pa.int64()), "weight": pa.array([5, 3, 2], pa.int64())})
        pq.write_table(table, manifest)
        await object_store.put(object_store.private_key(release, "manifest.parquet"), manifest.getvalue())
        await as_owner("ALTER TABLE release DISABLE TRIGGER sealed_for_ever")
        await execute(
            """UPDATE release SET contributors = 3, total_weight = 10, manifest_sha256 = $1, published_people = 10,
                      noise_variance_micro = 0""",
            hashlib.sha256(manifest.getvalue()).hexdigest(),
        )
        await as_owner("ALTER TABLE release ENABLE TRIGGER sealed_for_ever")
    return SimpleNamespace(release=release, partner=await fetch_value("SELECT id FROM partner"))


JOBS = (
    run_commands,
    sweep_events,
    handle_events,
    settle_paid,
    follow_disputes,
    record_refunds,
    lapse_unpaid,
    mirror_balance,
    hold_shares,
    cancel_shares,
    close_months,
)


async def run_jobs() -> None:
    """Let every job of money run, once each, as workers do."""
    for job in JOBS:
        await job()


async def sell_named(name: str, *, method: str = "tok_bypassPending") -> uuid.UUID:
    """Order, pay and settle; return the order, whose shares are held."""
    await order_named(name)
    await pay_subject(named(name, "order"), token=method)
    await run_jobs()
    return named(name, "order")


async def order_named(name: str, reason: str = "For another of our shops.") -> None:
    """Ask for the subject's quote and order it; again, they are the same ones. With a reason, beside the others."""
    seeded = await shop()
    quote = await catalogue.quote(seeded.partner, seeded.release, quote_id=named(name, "quote"))
    await order(
        seeded.partner,
        quote,
        by=await spender_for(seeded.partner),
        order_id=named(name, "order"),
        email=EMAIL,
        reason=reason,
    )


# ------------------------------------------------------------------ how it must end
async def ending() -> None:
    """Refuse anything that is not right to the cent, in every case."""
    await run_jobs()
    assert await invariants.broken() == []
    assert await balance(chart.STRIPE) == await read_balance(), "the books and Stripe's balance differ"
    assert await list_unequal_accounts() == [], "the sub-ledger and its control accounts differ"


# ------------------------------------------------------------------ refunds
async def refund_named(name: str, *, part: bool) -> None:
    """Ask for a refund and carry it out; the same click again is the same refund."""
    amount = 3_000 if part else None
    await request_order_refund(named(name, "order"), "Farid", refund_id=named(name, "refund"), amount_minor=amount)
    await run_commands()
    await sweep_events()
    await handle_events()
    await record_refunds()


# ------------------------------------------------------------------ disputes
async def lose_dispute(name: str) -> None:
    """Hear of a dispute and of its loss."""
    payment = await get_payment(named(name, "order"))
    found = await asyncio.to_thread(at_stripe, "get", "v1/disputes", charge=payment.charge_id)
    if not found["data"]:
        await asyncio.to_thread(at_stripe, "post", "_test/dispute", charge=payment.charge_id)
        found = await asyncio.to_thread(at_stripe, "get", "v1/disputes", charge=payment.charge_id)
    await sweep_events()
    await handle_events()
    await follow_disputes()
    if found["data"][0]["status"] not in ("lost", "won"):
        await asyncio.to_thread(at_stripe, "post", "_test/close_dispute", dispute=found["data"][0]["id"], won=False)
    await sweep_events()
    await handle_events()
    await follow_disputes()


async def debited(name: str) -> None:
    """Sell to a partner who pays by a debit that its bank honours."""
    await order_named(name)
    await pay_subject(named(name, "order"), iban=GOOD_IBAN)
    await asyncio.to_thread(at_stripe, "post", "_test/settle")
    await run_jobs()


# ------------------------------------------------------------------ off session
async def keep(name: str) -> None:
    """Ask for a page that keeps a card, and give the card there."""
    seeded, saved = await shop(), named(name, "method")
    await request_saved_method(seeded.partner, saved_id=saved, **PAGE)
    await run_command(saved)
    method = await fetch_one("SELECT state, session_id FROM saved_method WHERE id = $1", saved)
    if method["state"] == "open":
        pages = await asyncio.to_thread(at_stripe, "get", "v1/checkout/sessions", limit=100, status="open")
        if method["session_id"] in [page["id"] for page in pages["data"]]:
            await asyncio.to_thread(at_stripe, "post", "_test/pay", session=method["session_id"], token="tok_visa")
    await refresh_saved_method(saved)


async def keep_card(_: str) -> None:
    """Let the partner keep a card, once for every subject."""
    await keep("every")


async def charge_named(name: str) -> None:
    """Charge the saved card."""
    seeded = await shop()
    async with transaction():
        await request_charge(
            named(name, "charge"),
            seeded.partner,
            amount_minor=12_000,
            lines=[Line("Award", 12_000)],
            expires_at=clock.now() + dt.timedelta(hours=2),
            **PAGE,
        )
    await run_command(await _command(named(name, "charge")))


async def authorise(name: str) -> None:
    """Authorise a deposit, in peace."""
    await keep_card(name)
    seeded = await shop()
    await request_deposit(
        named(name, "deposit"),
        seeded.partner,
        amount_minor=20_000,
        text="Deposit",
        expires_at=clock.now() + dt.timedelta(hours=2),
        **PAGE,
    )
    await run_jobs()
    assert (await get_payment(named(name, "deposit"))).state == "authorised"


async def capture(name: str) -> None:
    """Capture the deposit, unless it was captured."""
    if (await get_payment(named(name, "deposit"))).state == "authorised":
        await capture_deposit(named(name, "deposit"), amount_minor=15_000)
    await run_commands()


async def release_named(name: str) -> None:
    """Release the deposit."""
    await release_deposit(named(name, "deposit"))
    await run_commands()


async def _command(subject: uuid.UUID) -> uuid.UUID:
    found = await find_command(subject, "charge", "checkout")
    assert found
    return found


async def books_are_clean() -> None:
    """Mirror Stripe's balance: the ledger equals it, and nothing that must be true is not."""
    await jobs()
    await mirror_balance()
    await reconcile()
    row = await fetch_one("SELECT * FROM reconciliation ORDER BY 1 DESC LIMIT 1")
    assert row
    assert await invariants.broken() == []
