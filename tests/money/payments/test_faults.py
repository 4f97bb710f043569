"""A whole life of money under every fault of the network, of workers, of clocks and of the database: right to the cent.

What single commands and events do under a fault is shown beside this; here one story, in which money comes, goes back,
is contested, is held and reaches people, meets the fault at every call, and must end like the story that met none.
"""

import asyncio
import contextlib
import datetime as dt
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from marketplace.core import clock, database
from marketplace.core.database import execute, transaction
from marketplace.core.errors import Invalid
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.demo.bank import Bank
from marketplace.finance.bank.actions import import_bank_statement
from marketplace.money.ledger import chart
from marketplace.money.ledger.queries import balance
from marketplace.money.payments.actions import capture_deposit, release_deposit, request_charge, request_deposit
from marketplace.money.payments.queries import get_payment
from marketplace.money.payments.rules import Line
from marketplace.money.payments.stripe_port import SilentError
from marketplace.sales.orders.refunds import request_order_refund
from marketplace.subscribers.payouts import actions as payouts
from migrations.runner import migrate
from tests.people.builders import make_staff
from tests.subscribers.builders import payees
from tests.subscribers.builders.payees import OUR_IBAN, file_of_run
from tests.support import scenes
from tests.support.reads import fetch, fetch_value
from tests.support.scenes import at_stripe, named
from tests.support.waiting import until
from tests.support.workers import working

PART, CHARGE, DEPOSIT, CAPTURED = 3_000, 12_000, 20_000, 15_000
ASKED = (
    "/v1/customers",
    "/v1/checkout/sessions",
    "/v1/refunds",
    "/v1/payment_intents",
    "/v1/payment_intents/[^/]+/capture",
    "/v1/payment_intents/[^/]+/cancel",
)
"""What the story asks Stripe to do."""
READ = ("/v1/events", "/v1/balance_transactions", "/v1/checkout/sessions/[^/]+", "/v1/payment_intents/[^/]+")
"""What it reads."""
BEYOND_THE_LEASE = dt.timedelta(minutes=3)
TEN_MINUTES = dt.timedelta(minutes=10)


# ------------------------------------------------------------------ the story
async def steer(verb: str, **how: Any) -> Any:
    return await asyncio.to_thread(at_stripe, "post", f"_test/{verb}", **how)


async def rounds(times: int = 4, jobs: tuple[Callable[[], Awaitable[object]], ...] = scenes.JOBS) -> None:
    """Let workers work, a tick after the other and waiting for nothing; a job that meets silence comes back at its next tick."""
    for _ in range(times):
        await execute("UPDATE stripe_command SET next_at = $1 WHERE state = 'pending'", clock.now())
        for job in jobs:
            with contextlib.suppress(SilentError):
                await job()


async def order_all(*names: str) -> None:
    for name in names:
        await scenes.order_named(name)


async def pay_all(*names: str) -> None:
    for name in names:
        await scenes.pay_subject(named(name, "order"), token="tok_bypassPending")


async def ask_off_session(partner: uuid.UUID) -> None:
    """Charge a saved card, and authorise two deposits on it."""
    until = clock.now() + dt.timedelta(hours=2)
    async with transaction():
        await request_charge(
            named("life", "charge"),
            partner,
            amount_minor=CHARGE,
            lines=[Line("Award", CHARGE)],
            expires_at=until,
            **scenes.PAGE,
        )
    for which in ("captured", "released"):
        await request_deposit(
            named("life", which), partner, amount_minor=DEPOSIT, text="Deposit", expires_at=until, **scenes.PAGE
        )


async def ask_back() -> None:
    """Refund one order, a part of another, and have a third contested by its payer's bank."""
    await request_order_refund(named("back", "order"), "Farid", refund_id=named("back", "refund"))
    await request_order_refund(named("part", "order"), "Farid", refund_id=named("part", "refund"), amount_minor=PART)
    charge = (await get_payment(named("lost", "order"))).charge_id
    opened = await steer("dispute", charge=charge)
    await steer("close_dispute", dispute=opened["id"], won=False)


async def nothing() -> None:
    pass


async def live_whole_life(
    work: Callable[[], Awaitable[None]] = rounds, meanwhile: Callable[[], Awaitable[None]] = nothing
) -> None:
    """Live the whole life; `work` is what workers do after each step, `meanwhile` what happens before they do."""
    shop = await scenes.shop()
    for _ in range(3):  # As a partner who comes back to the page until it opens.
        await scenes.keep("life")
        await work()
    await order_all("kept", "back", "part", "lost")
    await work()
    await pay_all("kept", "back", "part", "lost")
    await work()
    await ask_off_session(shop.partner)
    await ask_back()
    await meanwhile()
    await work()
    await capture_deposit(named("life", "captured"), amount_minor=CAPTURED)
    await release_deposit(named("life", "released"))
    await meanwhile()
    await work()


async def check_the_end() -> None:
    """Refuse an end that is not the story's own, at Stripe, in the orders or in the books."""
    rows = {row["id"]: row for row in await fetch("SELECT * FROM purchase_order")}
    total = next(iter(rows.values()))["total_minor"]
    ends = {
        "kept": ("paid", 0, 0),
        "back": ("refunded", total, 0),
        "part": ("paid", PART, 0),
        "lost": ("charged_back", 0, total),
    }
    for name, end in ends.items():
        row = rows[named(name, "order")]
        assert (row["state"], row["returned_minor"], row["charged_back_minor"]) == end, name
        [charge] = await scenes.charges_of(row["id"])
        assert (charge["amount"], charge["amount_refunded"]) == (total, row["returned_minor"]), name
    charged = [
        [(one["amount"], one["amount_captured"]) for one in await scenes.charges_of(named("life", what))]
        for what in ("charge", "captured", "released")
    ]
    assert charged == [[(CHARGE, CHARGE)], [(DEPOSIT, CAPTURED)], []]
    assert [(await get_payment(named("life", what))).state for what in ("charge", "captured", "released")] == [
        "paid",
        "paid",
        "released",
    ]
    counts = {
        table: await fetch_value(f"SELECT count(*) FROM {table}")
        for table in ("licence", "entitlement", "order_return", "payer")
    }
    assert counts == {"licence": 4, "entitlement": 4, "order_return": 3, "payer": 1}
    assert await fetch_value("SELECT count(*) FROM stripe_command WHERE state <> 'done'") == 0
    await scenes.ending()


# ------------------------------------------------------------------ the network
@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "saved500", "executed": True},
        {"kind": "drop_after"},
        pytest.param({"kind": "saved500", "executed": False}, marks=pytest.mark.deep),
        pytest.param({"kind": "drop_before"}, marks=pytest.mark.deep),
        pytest.param({"kind": "status", "status": 409}, marks=pytest.mark.deep),
        pytest.param({"kind": "status", "status": 429}, marks=pytest.mark.deep),
        pytest.param({"kind": "status", "status": 503, "times": 2}, marks=pytest.mark.deep),
    ],
    ids=lambda fault: " ".join(str(value) for value in fault.values()),
)
async def test_every_call_fails_once_and_the_money_is_right(stripe: Any, fault: dict[str, Any]) -> None:
    for path in ASKED:
        stripe.test("fault", path=path, method="POST", **fault)
    if fault["kind"] != "saved500":
        for path in READ:
            stripe.test("fault", path=path, method="GET", **fault)
    await live_whole_life()
    await check_the_end()


@pytest.mark.long
@pytest.mark.parametrize("kind", ["drop_after", pytest.param("drop_before", marks=pytest.mark.deep)])
@pytest.mark.usefixtures("stripe")
async def test_keys_forgotten_with_an_answer_or_a_request_lost(kind: str) -> None:

    days = contextlib.ExitStack()

    async def two_days_pass() -> None:
        """Ask once, hear nothing, and come back when Stripe has forgotten every key."""
        for path in ASKED:
            await steer("fault", path=path, method="POST", kind=kind)
        await rounds(1)
        await steer("nofault")
        await steer("forget_keys")
        await steer("clock", days=2)
        days.enter_context(clock.shifted(dt.timedelta(days=2)))

    with days:
        await live_whole_life(meanwhile=two_days_pass)
        await check_the_end()


@pytest.mark.long
@pytest.mark.parametrize(
    ("weather", "came_by"),
    [({"duplicate": True, "shuffle": True}, "webhook"), ({"lose": True}, "sweep")],
    ids=["duplicated and shuffled", "lost"],
)
@pytest.mark.usefixtures("stripe")
async def test_webhooks_shuffled_doubled_or_lost(site: Any, weather: dict[str, bool], came_by: str) -> None:

    async def all_delivered() -> None:
        async def none_is_pending() -> bool:
            return all(one["outcome"] for one in (await steer("log"))["deliveries"])

        await until(none_is_pending)

    async with site():
        await steer("fault", kind="webhooks", **weather)
        unswept = tuple(job for job in scenes.JOBS if came_by == "sweep" or job is not scenes.sweep_events)

        async def work() -> None:
            for _ in range(2):
                await all_delivered()
                await rounds(1, unswept)

        await live_whole_life(work)
        ways = await fetch("SELECT DISTINCT came_by FROM stripe_event WHERE handled_at IS NOT NULL")
        assert [row["came_by"] for row in ways] == [came_by]
        await check_the_end()


@pytest.mark.long
@pytest.mark.usefixtures("stripe")
async def test_a_loss_that_is_heard_of_but_not_recorded_releases_nothing() -> None:
    """Between hearing of a lost dispute and writing it down, the hold ends: the shares wait all the same."""
    order = await scenes.sell_named("lost")
    opened = await steer("dispute", charge=(await get_payment(order)).charge_id)
    await scenes.sweep_events()
    await scenes.handle_events()
    await scenes.follow_disputes()
    await steer("close_dispute", dispute=opened["id"], won=False)
    await scenes.sweep_events()
    await scenes.handle_events()
    assert await fetch_value("SELECT state FROM dispute") == "lost"
    with clock.shifted(A_CLOSE_AGO):
        assert await scenes.close_months() == 0
        await scenes.run_jobs()
        assert await fetch_value("SELECT state FROM licence_split") == "cancelled"
        assert await balance(chart.SUBSCRIBERS_PAYABLE) == 0
        await scenes.ending()


@pytest.mark.usefixtures("stripe")
async def test_what_a_dispute_took_is_not_given_back_too() -> None:
    """The payment alone would still have all of it to give: only the order knows what its bank took."""
    order = await scenes.sell_named("part lost")
    opened = await steer("dispute", charge=(await get_payment(order)).charge_id, amount=PART)
    await steer("close_dispute", dispute=opened["id"], won=False)
    await rounds(2)
    total = await fetch_value("SELECT total_minor FROM purchase_order")
    for much in (total, total - PART + 1):
        with pytest.raises(Invalid, match="what is left"):
            await request_order_refund(order, "Farid", refund_id=named(str(much), "refund"), amount_minor=much)
    await scenes.ending()


# ------------------------------------------------------------------ two workers, two clocks, a server that restarts
A_CLOSE_AGO = dt.timedelta(days=50)
"""Longer than a hold and the rest of the month that it ends in."""
BOUGHT = [f"bought {number}" for number in range(6)]


NOTHING_IS_UNDONE = """
    SELECT count(*) = 0 FROM (
        SELECT id::text FROM stripe_command WHERE state = 'pending'
        UNION ALL SELECT id FROM stripe_event WHERE handled_at IS NULL
        UNION ALL SELECT id::text FROM payout WHERE state NOT IN ('settled', 'failed')
        UNION ALL SELECT id::text FROM purchase_order WHERE state = 'awaiting_payment'
        UNION ALL SELECT 'money back' WHERE (SELECT count(*) FROM order_return) < 3
    ) AS undone"""


async def leave_a_backlog() -> None:
    """Leave work of every kind to be done: paid orders, refunds, a lost dispute, a payout run on its bank's statement."""
    with clock.shifted(-A_CLOSE_AGO):
        await scenes.shop()
        await payees.write_bank_details(1, 2, 3)
        await order_all("old 1", "old 2")
        await pay_all("old 1", "old 2")
        await rounds(1)
    await steer("clock", days=A_CLOSE_AGO.days)
    await rounds(2)
    nora, paul = await make_staff("Nora"), await make_staff("Paul")
    payout_run = await payees.draft_and_send(nora=nora, paul=paul)
    bank = Bank(OUR_IBAN, rejects={payees.iban_of(2): "AC04"})
    await payouts.record_answer(payout_run, bank.submit(await file_of_run(payout_run)), nora)
    await import_bank_statement(
        bank.close_day(clock.now().date() + 4 * dt.timedelta(days=1)), person=None, new_account=True
    )
    await order_all("back", "part", "lost")
    await pay_all("back", "part", "lost")
    await rounds(1)
    await order_all(*BOUGHT)
    await pay_all(*BOUGHT)
    await ask_back()


async def all_is_done() -> None:
    """Wait until nothing is undone: as long as it takes, for only for ever is wrong."""
    await until(lambda: fetch_value(NOTHING_IS_UNDONE), 600)


async def check_the_backlog(bought: int) -> None:
    rows = {row["id"]: row for row in await fetch("SELECT * FROM purchase_order")}
    kinds = {named(kind, "order"): kind for kind in ("back", "part", "lost")}
    for name, row in rows.items():
        total = row["total_minor"]
        ends = {"back": ("refunded", total, 0), "part": ("paid", PART, 0), "lost": ("charged_back", 0, total)}
        end = ends.get(kinds.get(name, ""), ("paid", 0, 0))
        assert (row["state"], row["returned_minor"], row["charged_back_minor"]) == end
        [charge] = await scenes.charges_of(name)
        assert (charge["amount"], charge["amount_refunded"]) == (total, row["returned_minor"])
    counts = {
        table: await fetch_value(f"SELECT count(*) FROM {table}")
        for table in ("licence", "entitlement", "order_return")
    }
    assert counts == {"licence": bought + 5, "entitlement": bought + 5, "order_return": 3}
    assert len(rows) == bought + 5
    paid = await fetch("SELECT subscriber, state FROM payout ORDER BY 1")
    assert [tuple(row) for row in paid] == [(1, "settled"), (2, "failed"), (3, "settled")]
    assert await balance(chart.SUBSCRIBERS_IN_TRANSIT) == 0
    await scenes.ending()


@pytest.mark.deep
@pytest.mark.parametrize(
    "ahead", [(dt.timedelta(0), dt.timedelta(0)), (TEN_MINUTES, -TEN_MINUTES)], ids=["one clock", "three clocks"]
)
@pytest.mark.usefixtures("stripe")
async def test_two_workers_on_one_backlog(ahead: tuple[dt.timedelta, ...]) -> None:

    with payees.paying(after=A_CLOSE_AGO):
        await leave_a_backlog()
        with working(*ahead):
            await order_all("meanwhile")
            await pay_all("meanwhile")
            await all_is_done()
        await check_the_backlog(len(BOUGHT) + 1)


@pytest.mark.deep
@pytest.mark.usefixtures("stripe")
def test_the_database_restarts_while_workers_work() -> None:
    folder = Path(tempfile.mkdtemp(prefix="partage-restarts-"))
    folder.chmod(0o755)

    async def story() -> None:
        servers = contextlib.ExitStack()
        there = servers.enter_context(EmbeddedPostgres(folder))
        os.environ["DATABASE_URL"] = there.url()
        settings.cache_clear()
        with servers:
            await database.open_pool(there.url(), size=4)
            await migrate()
            await leave_a_backlog()
            with working(dt.timedelta(0), dt.timedelta(0)):
                for number, how in enumerate(("stops", "crashes", "stops")):
                    await order_all(f"meanwhile {number}")
                    await pay_all(f"meanwhile {number}")
                    if how == "crashes":
                        os.kill(int((there.data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
                    await asyncio.to_thread(servers.close)
                    there = await asyncio.to_thread(servers.enter_context, EmbeddedPostgres(folder))
            with working(BEYOND_THE_LEASE):
                await all_is_done()
            await check_the_backlog(len(BOUGHT) + 3)
            await database.close_pool()

    try:
        with payees.paying(after=A_CLOSE_AGO):
            asyncio.run(story())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
