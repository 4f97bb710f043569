"""An order that waits for its money blocks nothing, and bans nobody."""

import asyncio
import datetime as dt
import uuid
from typing import Any

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import is_quoted_beyond
from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.sales.orders.actions import order
from marketplace.sales.orders.settling import TIME_TO_PAY, TIME_TO_TRANSFER, lapse, lapse_unpaid, settle_paid
from tests.catalogue.builders import have_everything_cost
from tests.people.builders import spender_for
from tests.sales.builders.shop import jobs, make_buyer, make_quote, open_shop, send_transfer
from tests.support.reads import fetch_value

MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
LARGE = 150_000


async def order_by_transfer(partner: uuid.UUID, release: uuid.UUID, pay_by: str = "bank_transfer") -> uuid.UUID:
    quote = await make_quote(partner, release)
    by = await spender_for(partner)
    return await order(partner, quote, by=by, order_id=uuid.uuid4(), email="x@example.org", reason="x", pay_by=pay_by)


async def test_unpaid_transfers_pages_and_holds_keep_nobody_from_the_next_one(stripe: Any) -> None:
    """Transfers that never come, pages that are left, held prices that lapse: the next one is had like the first."""
    release, partner, rival = await open_shop(), await make_buyer(), await make_buyer("rival")
    await have_everything_cost(LARGE)
    for number in range(4):
        with clock.shifted(number * (TIME_TO_TRANSFER + DAY)):
            await lapse_unpaid()
            for who in (partner, rival):
                await order_by_transfer(who, release)
                await order_by_transfer(who, release, "page")
                await catalogue.quote(who, release, quote_id=uuid.uuid4(), is_held=True)
    methods = "SELECT count(*) FROM payment WHERE payer IS NOT NULL"
    assert await fetch_value(methods) == await fetch_value("SELECT count(*) FROM payment") == 16, "each by transfer too"
    assert stripe


async def test_an_order_that_waits_for_its_money_holds_no_window_up(stripe: Any) -> None:
    """A held price does, for a month at most: from the announcement on none is held into the window."""
    release, partner, offer = await open_shop(), await make_buyer(), await fetch_value("SELECT id FROM offer")
    await have_everything_cost(LARGE)
    now, kept = clock.now(), uuid.uuid4()
    await order_by_transfer(partner, release)
    assert not await is_quoted_beyond(offer, now + 20 * MINUTE, now)
    await catalogue.quote(partner, release, quote_id=kept, is_held=True)
    assert await is_quoted_beyond(offer, now + 29 * DAY, now)
    assert not await is_quoted_beyond(offer, now + 31 * DAY, now)
    by = await spender_for(partner)
    await order(partner, kept, by=by, order_id=uuid.uuid4(), email="x@example.org", reason="x", pay_by="bank_transfer")
    assert not await is_quoted_beyond(offer, now + 20 * MINUTE, now), "once it is ordered it is held no more"
    assert stripe


async def test_a_transfer_is_awaited_for_two_weeks_and_honoured_when_it_comes_later(stripe: Any) -> None:
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(LARGE)
    waiting, late = await order_by_transfer(partner, release), await order_by_transfer(partner, release)
    await jobs()
    customer = await fetch_value("SELECT customer_id FROM payer WHERE partner = $1", partner)
    total, reference = (
        await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", waiting),
        await fetch_value("SELECT transfer ->> 'reference' FROM payment WHERE subject = $1", waiting),
    )
    with clock.shifted(TIME_TO_TRANSFER - DAY):
        assert await lapse_unpaid() == 0
    await asyncio.to_thread(send_transfer, stripe, customer, total, reference)
    await jobs()
    with clock.shifted(TIME_TO_TRANSFER + TIME_TO_PAY):
        assert await lapse_unpaid() == 1, "the one that was not paid"
    await execute(
        "UPDATE payment SET state = 'paid', paid_at = now(), received_minor = amount_minor WHERE subject = $1", late
    )
    assert await settle_paid() == 1
    assert await fetch_value("SELECT count(*) FROM licence") == 2


async def test_who_closed_a_page_orders_the_same_again(stripe: Any) -> None:
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(LARGE)
    for _ in range(3):
        closed = await order_by_transfer(partner, release, "page")
        async with transaction():
            await lapse(closed)
    assert await fetch_value("SELECT count(*) FROM purchase_order WHERE state = 'lapsed'") == 3
    assert stripe
