"""Scenes of money for `tests.support.dying`: buying, charging, giving back, losing a dispute, mirroring; each ends to the cent.

`ending` is what anyone would check after any accident: one charge, one sale, one paper, shares that add up, the books
equal to Stripe's balance, and every invariant.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import io
import json
import os
import ssl
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace import clock, invariants, object_store
from marketplace.baskets.waiting import charge_waiting
from marketplace.catalogue import actions as catalogue
from marketplace.database import copy_in, execute, transaction
from marketplace.earnings.actions import cancel_shares, hold_shares
from marketplace.earnings.month_close import close_months
from marketplace.earnings.queries import list_unequal_accounts
from marketplace.ledger import chart
from marketplace.ledger.queries import balance
from marketplace.payments.actions import (
    capture_deposit,
    release_deposit,
    request_charge,
    request_deposit,
    request_saved_method,
)
from marketplace.payments.balance import mirror_balance, read_balance
from marketplace.payments.events import handle_events, receive_event, refresh_saved_method, sweep_events
from marketplace.payments.outbox import find_command
from marketplace.payments.queries import get_payment
from marketplace.payments.rules import Line
from marketplace.payments.stripe_calls import run_command, run_commands
from marketplace.purchases.actions import lapse_unpaid, order, settle_paid
from marketplace.purchases.disputes import follow_disputes
from marketplace.purchases.refunds import record_refunds, request_order_refund
from marketplace.settings import settings
from tests.marketplace.purchases.shop import make_buyer, open_shop
from tests.support.dying import Scene
from tests.support.owner import as_owner
from tests.support.reads import fetch, fetch_one, fetch_value

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Step = Callable[[str], Awaitable[object]]

NAMESPACE = uuid.UUID("5ce9e5c0-0000-4000-8000-000000000000")
GOOD_IBAN = "DE89370400440532013000"
SECRET = "whsec_of_the_scenes"
EMAIL = "atelier@partner.example"
PAGE = {"success_url": "http://x.example/", "cancel_url": "http://x.example/", "locale": "en", "email": EMAIL}
APART = dt.timedelta(hours=6)
MONEY = (
    "marketplace/payments/actions.py",
    "marketplace/payments/outbox.py",
    "marketplace/payments/stripe_calls.py",
    "marketplace/payments/statuses.py",
    "marketplace/purchases/actions.py",
    "marketplace/purchases/refunds.py",
    "marketplace/purchases/disputes.py",
    "marketplace/purchases/returns.py",
)
HEARD = ("marketplace/payments/events.py", "marketplace/payments/statuses.py")
BOOKS = ("marketplace/payments/balance.py", "marketplace/payments/events.py", "marketplace/ledger/actions.py")


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


async def pay(subject: uuid.UUID, **method: str) -> None:
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
    charge_waiting,
    follow_disputes,
    record_refunds,
    lapse_unpaid,
    mirror_balance,
    hold_shares,
    cancel_shares,
    close_months,
)


async def jobs() -> None:
    """Let every job of money run, once each, as workers do."""
    for job in JOBS:
        await job()


async def settled(name: str, *, method: str = "tok_bypassPending") -> uuid.UUID:
    """Order, pay and settle; return the order, whose shares are held."""
    await make_order(name)
    await pay(named(name, "order"), token=method)
    await jobs()
    return named(name, "order")


async def make_order(name: str) -> None:
    """Ask for the subject's quote and order it; again, they are the same ones."""
    seeded = await shop()
    quote = await catalogue.quote(seeded.partner, seeded.release, quote_id=named(name, "quote"))
    await order(seeded.partner, quote, order_id=named(name, "order"), email=EMAIL)


# ------------------------------------------------------------------ how it must end
async def ending() -> None:
    """Refuse anything that is not right to the cent, in every case."""
    await jobs()
    assert await invariants.broken() == []
    assert await balance(chart.STRIPE) == await read_balance(), "the books and Stripe's balance differ"
    assert await list_unequal_accounts() == [], "the sub-ledger and its control accounts differ"


async def once(order_id: uuid.UUID, kind: str, count: int = 1) -> None:
    """Refuse an order with more or fewer entries of a kind, invoices or charges than it must have."""
    source = (
        "source_id = $1::text"
        if kind == "sale"
        else "source_id IN (SELECT id::text FROM order_return WHERE purchase_order = $1::uuid)"
    )
    entries = await fetch_value(f"SELECT count(*) FROM journal_entry WHERE kind = $2 AND {source}", str(order_id), kind)
    assert entries == count, f"{entries} entries of {kind}"


async def bought(name: str) -> None:
    """Finish buying, as the partner who clicks again and the workers do."""
    order_id = named(name, "order")
    await make_order(name)
    await run_commands()
    await pay(order_id, token="tok_bypassPending")
    await jobs()
    row = await fetch_one("SELECT * FROM purchase_order WHERE id = $1", order_id)
    assert row
    assert row["state"] == "paid", row["state"]
    assert [one["amount"] for one in await charges_of(order_id)] == [row["total_minor"]]
    await once(order_id, "sale")
    assert (
        await fetch_value(
            "SELECT count(*) FROM entitlement JOIN licence ON licence.id = licence WHERE purchase_order = $1", order_id
        )
        == 1
    )
    assert await fetch_value("SELECT count(*) FROM invoice WHERE purchase_order = $1", order_id) == 1


async def buying(name: str) -> None:
    """Order, pay, hear of it, settle."""
    await make_order(name)
    await pay(named(name, "order"), token="tok_bypassPending")
    await sweep_events()
    await handle_events()
    await settle_paid()


# ------------------------------------------------------------------ refunds
async def refund(name: str, *, part: bool) -> None:
    """Ask for a refund and carry it out; the same click again is the same refund."""
    amount = 3_000 if part else None
    await request_order_refund(named(name, "order"), "Farid", refund_id=named(name, "refund"), amount_minor=amount)
    await run_commands()
    await sweep_events()
    await handle_events()
    await record_refunds()


async def refunded(name: str, *, part: bool) -> None:
    """Finish a refund and check that it happened once."""
    order_id = named(name, "order")
    await refund(name, part=part)
    for _ in range(1 + part):  # What is left is shared anew once the first shares are cancelled.
        await jobs()
    row = await fetch_one("SELECT * FROM purchase_order WHERE id = $1", order_id)
    assert row
    [charge] = await charges_of(order_id)
    assert charge["amount_refunded"] == (3_000 if part else row["total_minor"]) == row["returned_minor"]
    assert row["state"] == ("paid" if part else "refunded")
    await once(order_id, "refund")
    assert (
        await fetch_value("SELECT count(*) FROM invoice WHERE purchase_order = $1 AND kind = 'credit_note'", order_id)
        == 1
    )
    split = await fetch_value(
        "SELECT state FROM licence_split JOIN licence ON licence.id = licence WHERE purchase_order = $1", order_id
    )
    assert split == ("held" if part else "cancelled")


# ------------------------------------------------------------------ disputes
async def dispute(name: str) -> None:
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


async def lost(name: str, how: Step = dispute) -> None:
    """Finish a lost dispute and check that it was lost once."""
    order_id = named(name, "order")
    await how(name)
    await jobs()
    row = await fetch_one("SELECT * FROM purchase_order WHERE id = $1", order_id)
    assert row
    assert (row["state"], row["charged_back_minor"]) == ("charged_back", row["total_minor"])
    await once(order_id, "dispute_lost")
    assert await balance(chart.DISPUTES) == 0
    revoked = await fetch_value(
        "SELECT revoked_at FROM entitlement JOIN licence ON licence.id = licence WHERE purchase_order = $1", order_id
    )
    assert revoked is not None


async def debited(name: str) -> None:
    """Sell to a partner who pays by a debit that its bank honours."""
    await make_order(name)
    await pay(named(name, "order"), iban=GOOD_IBAN)
    await asyncio.to_thread(at_stripe, "post", "_test/settle")
    await jobs()


async def debit_reversed(name: str) -> None:
    """Hear that a debit's bank took it back after the licence was granted: lost at once, and no fee for a dispute."""
    payment = await get_payment(named(name, "order"))
    found = await asyncio.to_thread(at_stripe, "get", "v1/disputes", charge=payment.charge_id)
    if not found["data"]:
        await asyncio.to_thread(at_stripe, "post", "_test/dispute", charge=payment.charge_id)
    await sweep_events()
    await handle_events()
    await follow_disputes()


# ------------------------------------------------------------------ webhooks
async def hear(name: str) -> None:
    """Receive a webhook of a payment and handle it."""
    order_id = named(name, "order")
    session = (await get_payment(order_id)).session_id
    events = await asyncio.to_thread(at_stripe, "get", "v1/events", limit=100)
    for event in reversed(events["data"]):
        thing = event["data"]["object"]
        if thing["id"] == session:
            body = json.dumps(event).encode()
            at = int(clock.now().timestamp())
            signed = hmac.new(SECRET.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            await receive_event(body, f"t={at},v1={signed}")
    await handle_events()
    await settle_paid()


async def ordered_and_paid(name: str) -> None:
    """Order and pay, unheard."""
    await make_order(name)
    await pay(named(name, "order"), token="tok_bypassPending")


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


async def kept(name: str) -> None:
    """Finish keeping a card and check that it is kept once, for a partner who is one customer."""
    await keep(name)
    await jobs()
    assert await fetch_value("SELECT state FROM saved_method WHERE id = $1", named(name, "method")) == "saved"
    customers = await asyncio.to_thread(at_stripe, "get", "v1/customers", limit=100)
    assert len(customers["data"]) == 1
    methods = await asyncio.to_thread(
        at_stripe, "get", "v1/payment_methods", customer=customers["data"][0]["id"], limit=100
    )
    assert len(methods["data"]) == await fetch_value("SELECT count(*) FROM saved_method WHERE state = 'saved'")


async def save_card(_: str) -> None:
    """Let the partner keep a card, once for every subject."""
    await keep("every")


async def charge(name: str) -> None:
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


async def charged(name: str) -> None:
    """Finish a charge and check that the card was charged once."""
    await charge(name)
    await jobs()
    payment = await get_payment(named(name, "charge"))
    assert (payment.state, payment.received_minor) == ("paid", 12_000)
    assert [one["amount"] for one in await charges_of(named(name, "charge"))] == [12_000]


async def authorise(name: str) -> None:
    """Authorise a deposit, in peace."""
    await save_card(name)
    seeded = await shop()
    await request_deposit(
        named(name, "deposit"),
        seeded.partner,
        amount_minor=20_000,
        text="Deposit",
        expires_at=clock.now() + dt.timedelta(hours=2),
        **PAGE,
    )
    await jobs()
    assert (await get_payment(named(name, "deposit"))).state == "authorised"


async def capture(name: str) -> None:
    """Capture the deposit, unless it was captured."""
    if (await get_payment(named(name, "deposit"))).state == "authorised":
        await capture_deposit(named(name, "deposit"), amount_minor=15_000)
    await run_commands()


async def captured(name: str) -> None:
    """Finish capturing a part and check that the rest was released."""
    await capture(name)
    await jobs()
    payment = await get_payment(named(name, "deposit"))
    assert (payment.state, payment.received_minor) == ("paid", 15_000)
    [captured_charge] = await charges_of(named(name, "deposit"))
    assert (captured_charge["amount_captured"], captured_charge["amount_refunded"]) == (15_000, 5_000)


async def release(name: str) -> None:
    """Release the deposit."""
    await release_deposit(named(name, "deposit"))
    await run_commands()


async def released(name: str) -> None:
    """Finish the release and check that nothing was captured."""
    await release(name)
    await jobs()
    assert (await get_payment(named(name, "deposit"))).state == "released"
    assert await charges_of(named(name, "deposit")) == []


async def _command(subject: uuid.UUID) -> uuid.UUID:
    found = await find_command(subject, "charge", "checkout")
    assert found
    return found


async def nothing(name: str) -> None:
    """Make the shop."""
    del name
    await shop()


def _of(work: Callable[..., Awaitable[None]], **how: Any) -> Callable[[str], Awaitable[None]]:
    return lambda name: work(name, **how)


async def paid_but_not_mirrored(name: str) -> None:
    """Leave a paid order whose money the books have not seen."""
    await buying(name)


async def mirror(name: str) -> None:
    """Copy Stripe's balance into the books."""
    del name
    await mirror_balance()


async def mirrored(name: str) -> None:
    """Copy again and check that everything was posted once."""
    del name
    await mirror_balance()
    unposted = await fetch(
        """SELECT id FROM balance_transaction WHERE NOT EXISTS
           (SELECT FROM journal_entry WHERE source_id = balance_transaction.id AND kind LIKE 'stripe_%')"""
    )
    assert unposted == []


def hours_apart(
    before: Step, act: Step, after: Step, files: tuple[str, ...], whole: Callable[[], Awaitable[object]] = ending
) -> Scene:
    """Return a scene each of whose subjects lives hours after the one before, on both clocks, so that lists stay short."""

    async def hours_later(name: str) -> None:
        if name.isdigit() and int(name):
            await asyncio.to_thread(at_stripe, "post", "_test/clock", seconds=int(APART.total_seconds()))
        await before(name)

    return Scene(hours_later, act, after, files, whole=whole, apart=APART)


SCENES = {
    "buy": hours_apart(nothing, buying, bought, MONEY),
    "hear": hours_apart(nothing, buying, bought, HEARD),
    "refund": hours_apart(settled, _of(refund, part=False), _of(refunded, part=False), MONEY),
    "refund a part": hours_apart(settled, _of(refund, part=True), _of(refunded, part=True), MONEY),
    "dispute": hours_apart(settled, dispute, lost, MONEY),
    "webhook": hours_apart(ordered_and_paid, hear, bought, HEARD),
    "debit reversed": hours_apart(debited, debit_reversed, _of(lost, how=debit_reversed), MONEY),
    "keep": hours_apart(nothing, keep, kept, (*MONEY, "marketplace/payments/events.py")),
    "charge": hours_apart(save_card, charge, charged, MONEY),
    "capture": hours_apart(authorise, capture, captured, MONEY),
    "release": hours_apart(authorise, release, released, MONEY),
    "mirror": hours_apart(paid_but_not_mirrored, mirror, mirrored, BOOKS),
}
