"""An order that waits for a bank transfer holds its price, one of a dataset at a time, and not for ever.

Eight of them within seven weeks, none paid, held the prices of a dataset in turns for free. So did two accounts of one
company, each holding a price while the other one waited.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.holds import HeldAlready
from marketplace.catalogue.offers.queries import is_quoted_beyond
from marketplace.catalogue.offers.rules import BETWEEN_HOLDS, HOLD_LASTS
from marketplace.core import clock
from marketplace.core.database import execute, transaction
from marketplace.core.web.formats import PARIS
from marketplace.sales.auctions.announcing import is_payable_beyond
from marketplace.sales.orders.actions import TIME_TO_PAY, TIME_TO_TRANSFER, lapse, lapse_unpaid, order, settle_paid
from tests.catalogue import builders as two
from tests.catalogue.builders import have_everything_cost
from tests.people.builders import VAT, Browser, page_text
from tests.sales.builders.shop import (
    counts,
    jobs,
    make_buyer,
    make_quote,
    open_shop,
    order_of,
    place_order,
    seal_release,
    send_transfer,
)
from tests.support.reads import fetch, fetch_value

if TYPE_CHECKING:
    from collections.abc import Awaitable

MINUTE, DAY, WEEK = dt.timedelta(minutes=1), dt.timedelta(days=1), dt.timedelta(days=7)
LARGE = 150_000


async def order_by_transfer(partner: uuid.UUID, release: uuid.UUID, pay_by: str = "bank_transfer") -> uuid.UUID:
    quote = await make_quote(partner, release)
    return await order(partner, quote, order_id=uuid.uuid4(), email="x@example.org", reason="x", pay_by=pay_by)


async def pay_transfer(stripe: Any, partner: uuid.UUID, order_id: uuid.UUID) -> None:
    await jobs()
    transfer = "SELECT transfer ->> 'reference' FROM payment WHERE subject = $1"
    customer = await fetch_value("SELECT customer_id FROM payer WHERE partner = $1", partner)
    total = await fetch_value("SELECT total_minor FROM purchase_order WHERE id = $1", order_id)
    await asyncio.to_thread(send_transfer, stripe, customer, total, await fetch_value(transfer, order_id))
    await jobs()


async def refused_as_held(work: Awaitable[Any]) -> str:
    with pytest.raises(HeldAlready) as raised:
        await work
    return str(raised.value)


@pytest.mark.parametrize("is_paid", [False, True])
async def test_an_order_holds_its_price_until_it_is_paid_or_lapses(stripe: Any, *, is_paid: bool) -> None:
    release = await open_shop()
    await have_everything_cost(LARGE)
    partner, offer = await make_buyer(), await fetch_value("SELECT id FROM offer")
    waiting = await order_by_transfer(partner, release)
    if is_paid:
        await pay_transfer(stripe, partner, waiting)
    now = clock.now()
    assert await is_quoted_beyond(offer, now + 13 * DAY, now) == (not is_paid)
    assert not await is_quoted_beyond(offer, now + 14 * DAY + TIME_TO_PAY, now)
    with clock.shifted(TIME_TO_TRANSFER - DAY):
        assert await lapse_unpaid() == 0
    with clock.shifted(TIME_TO_TRANSFER):
        assert await lapse_unpaid() == (not is_paid)


async def test_a_partner_holds_no_prices_for_free_by_transfers_that_never_come(stripe: Any) -> None:
    """One of a dataset waits; after it lapsed none does for thirty days, and nothing is held either. Everything else sells."""
    await two.open_catalogue("lyon", "paris")
    releases, other = [await two.seal_week(), await two.seal_week()], await two.seal_week("paris")
    partner, rival = await make_buyer(), await make_buyer("rival")
    await have_everything_cost(LARGE)
    await order_by_transfer(partner, releases[0])
    assert "the next one can wait" in await refused_as_held(order_by_transfer(partner, releases[1]))
    held = catalogue.quote(partner, releases[1], quote_id=uuid.uuid4(), is_held=True)
    assert "holds a price of this dataset" in await refused_as_held(held)
    await order_by_transfer(partner, other)
    await order_by_transfer(rival, releases[0])
    await order_by_transfer(partner, releases[1], "page")
    await jobs()
    for days, may in ((13, 0), (14, 0), (28, 0), (43, 0), (45, 1)):
        with clock.shifted(days * DAY):
            await lapse_unpaid()
            if may:
                await order_by_transfer(partner, releases[1])
            else:
                await refused_as_held(order_by_transfer(partner, releases[1]))
                await order_by_transfer(partner, releases[1], "page")
    by_transfer = [row["transfer"] for row in await fetch("SELECT payer IS NOT NULL AS transfer FROM payment")]
    assert sum(by_transfer) == 4, "those on a page are paid otherwise"
    assert stripe


async def test_who_pays_by_transfer_orders_the_next_one_so(stripe: Any) -> None:
    releases = [await open_shop(), await seal_release()]
    partner = await make_buyer()
    await have_everything_cost(LARGE)
    for release in releases:
        await pay_transfer(stripe, partner, await order_by_transfer(partner, release))
    assert await fetch_value("SELECT count(*) FROM purchase_order WHERE state = 'paid'") == len(releases)
    assert await fetch_value("SELECT count(*) FROM quote_acceptance WHERE payable_until IS NOT NULL") == 0
    await catalogue.quote(partner, releases[0], quote_id=uuid.uuid4(), is_held=True)


async def test_money_that_comes_after_the_order_lapsed_ends_the_pause(stripe: Any) -> None:
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(LARGE)
    waiting = await order_by_transfer(partner, release)
    await jobs()
    async with transaction():
        await lapse(waiting)
    for _ in range(2):
        assert await lapse_unpaid() == 0
    await execute("UPDATE payment SET state = 'paid', paid_at = now(), received_minor = amount_minor")
    assert await settle_paid() == 1
    await order_by_transfer(partner, release)
    assert stripe


async def test_a_price_that_is_held_may_be_paid_by_transfer_and_counts_until_it_is(stripe: Any) -> None:
    """The order of the price that a company holds is no second one; an abandoned page is none at all."""
    release, partner, kept = await open_shop(), await make_buyer(), uuid.uuid4()
    await have_everything_cost(LARGE)
    await order_by_transfer(partner, release, "page")
    with clock.shifted(TIME_TO_PAY + DAY / 24):
        await lapse_unpaid()
        await catalogue.quote(partner, release, quote_id=kept, is_held=True)
        asked = {"order_id": uuid.uuid4(), "email": "x@example.org", "pay_by": "bank_transfer"}
        for _ in range(2):
            assert await order(partner, kept, **asked) == asked["order_id"]
        until = await fetch_value("SELECT payable_until FROM quote_acceptance WHERE quote = $1", kept)
        assert abs(until - clock.now() - TIME_TO_TRANSFER) < DAY
    assert stripe


async def test_pages_that_nobody_pays_hold_no_price_all_day(stripe: Any) -> None:
    """Each could be paid by transfer until two weeks later, and lapsed unpaid; the fourth takes no transfer, for a month."""
    release, partner, offer = await open_shop(), await make_buyer(), await fetch_value("SELECT id FROM offer")
    await have_everything_cost(LARGE)
    held = []
    for number in range(5):
        with clock.shifted(number * (TIME_TO_PAY + MINUTE)):
            await lapse_unpaid()
            await order_by_transfer(partner, release, "page")
            held.append(await is_quoted_beyond(offer, clock.now() + 13 * DAY, clock.now()))
    assert held == [True, True, True, False, False]
    with clock.shifted(DAY):
        await lapse_unpaid()
        await order_by_transfer(partner, release)
        assert await is_quoted_beyond(offer, clock.now() + 13 * DAY, clock.now()), "a transfer that is asked for waits"
    with clock.shifted(BETWEEN_HOLDS + HOLD_LASTS):
        await lapse_unpaid()
        await order_by_transfer(partner, release, "page")
        assert await is_quoted_beyond(offer, clock.now() + 13 * DAY, clock.now())
    assert stripe


async def test_pages_that_the_marketplace_closed_are_not_left(stripe: Any) -> None:
    """As those of duplicate orders, once the first is paid."""
    release, partner, offer = await open_shop(), await make_buyer(), await fetch_value("SELECT id FROM offer")
    await have_everything_cost(LARGE)
    for number in range(3):
        with clock.shifted(number * 5 * MINUTE):
            closed = await order_by_transfer(partner, release, "page")
            async with transaction():
                await lapse(closed)
    with clock.shifted(TIME_TO_PAY):
        await order_by_transfer(partner, release, "page")
        assert await is_quoted_beyond(offer, clock.now() + 13 * DAY, clock.now())
    assert stripe


async def test_while_a_page_is_open_the_sentence_says_when_it_closes(stripe: Any) -> None:
    """Not a day in six weeks: who opened it and went back may ask for a transfer, or hold a price, once it has closed."""
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(LARGE)
    await order_by_transfer(partner, release, "page")
    with clock.shifted(15 * MINUTE):
        for work in (
            order_by_transfer(partner, release),
            catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True),
        ):
            assert re.search(
                r"once it has closed with nothing chosen there, in 3[56] minutes", await refused_as_held(work)
            )
    with clock.shifted(TIME_TO_PAY + MINUTE):
        await lapse_unpaid()
        await order_by_transfer(partner, release)
    assert stripe


@pytest.mark.parametrize("late", [dt.timedelta(seconds=1), DAY + MINUTE])
async def test_a_page_that_nobody_lapsed_yet_is_no_transfer(stripe: Any, late: dt.timedelta) -> None:
    """The job comes within a minute, or a day later after an outage."""
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(LARGE)
    await order_by_transfer(partner, release, "page")
    with clock.shifted(TIME_TO_PAY + late):
        if late < DAY:
            assert "once it has closed with nothing chosen there, in 5 minutes" in await refused_as_held(
                order_by_transfer(partner, release)
            )
        else:
            await lapse_unpaid()
            await order_by_transfer(partner, release)
    assert stripe


@pytest.mark.parametrize("days", [0, 6, 18])
async def test_a_debit_that_bounced_held_its_price_as_a_transfer_does(stripe: Any, days: int) -> None:
    """Eight of them in a row, each of eleven days, held a price for three months. One that bounces at once held nothing."""
    release, partner = await open_shop(), await make_buyer()
    await have_everything_cost(LARGE)
    debited = await order_by_transfer(partner, release, "page")
    await jobs()
    await execute("UPDATE payment SET state = 'processing' WHERE subject = $1", debited)
    with clock.shifted(TIME_TO_PAY + MINUTE + days * DAY):
        if days:
            assert "waits for your company’s payment" in await refused_as_held(order_by_transfer(partner, release))
        await execute("UPDATE payment SET state = 'failed' WHERE subject = $1", debited)
        assert await lapse_unpaid() == 1
        held = catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True)
        if days:
            await refused_as_held(held)
            await refused_as_held(order_by_transfer(partner, release))
            await order_by_transfer(partner, release, "page")
        else:
            await held
    with clock.shifted(min(days, 14) * DAY + BETWEEN_HOLDS + HOLD_LASTS):
        await lapse_unpaid()
        await order_by_transfer(partner, release)
    assert stripe


@pytest.mark.parametrize("hours", [0, 8, 16])
async def test_the_day_that_is_named_is_one_on_which_it_holds(hours: int) -> None:
    """At any hour of it; the day before, the price lapsed too late in the day."""
    release, partner = await open_shop(), await make_buyer()
    with clock.shifted(dt.timedelta(hours=hours)):
        await catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True)
        sentence = await refused_as_held(catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True))
        named = dt.datetime.fromisoformat(re.findall(r"\d{4}-\d\d-\d\d", sentence)[0]).replace(tzinfo=PARIS)
        now = clock.now()
    with clock.shifted(dt.timedelta(hours=hours) + (named - now)):
        await catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True)


async def test_of_two_transfers_at_once_one_waits(stripe: Any) -> None:
    """Two quotes, ordered in the same moment by two accounts of a company; a page that may be paid so counts as well."""
    release, partner, second = await open_shop(), await make_buyer(), await make_buyer("atelier-two")
    await have_everything_cost(LARGE)
    await execute("UPDATE partner SET vat_number = $2 WHERE id = $1", second, VAT)
    outcomes = await asyncio.gather(
        *(order_by_transfer(one, release) for one in (partner, second) for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(one, HeldAlready) for one in outcomes) == 3
    assert await counts("purchase_order", "payment", "quote_acceptance") == (1, 1, 1), "what is refused leaves nothing"
    async with Browser() as browser:
        await browser.sign_in("atelier-two@partner.example")
        quote = await make_quote(second, release)
        assert (await place_order(browser, quote)).status_code == 303
        shown = await browser.get(f"/en/orders/{(await order_of(quote))['id']}")
        assert "not for this order. One order of a dataset" in page_text(shown)
    (session,) = await asyncio.to_thread(stripe.list, "checkout/sessions")
    assert "customer_balance" not in session["payment_method_types"]


async def test_two_accounts_of_one_company_hold_no_price_in_turns(stripe: Any) -> None:
    """A second account under the same number is the same company, another number another one."""
    release, accounts, rival = (
        await open_shop(),
        [await make_buyer(), await make_buyer("two")],
        await make_buyer("rival"),
    )
    await execute("UPDATE partner SET vat_number = $2 WHERE id = ANY ($1)", accounts, VAT)
    await have_everything_cost(LARGE)

    async def hold(partner: uuid.UUID) -> None:
        await catalogue.quote(partner, release, quote_id=uuid.uuid4(), is_held=True)

    outcomes = await asyncio.gather(*(hold(one) for one in accounts), return_exceptions=True)
    assert sorted(type(one) for one in outcomes if one) == [HeldAlready], "asked at once, one of the two is held"
    first, second = accounts if outcomes[0] is None else reversed(accounts)
    await hold(rival)
    for since in (HOLD_LASTS - DAY, HOLD_LASTS, HOLD_LASTS + BETWEEN_HOLDS - DAY):
        with clock.shifted(since):
            await refused_as_held(hold(second))
    with clock.shifted(HOLD_LASTS + BETWEEN_HOLDS + DAY):
        await hold(second)
        await refused_as_held(hold(first))
    assert stripe


async def test_a_window_waits_for_transfers_and_not_for_what_was_paid(stripe: Any) -> None:
    release, partner, offer = await open_shop(), await make_buyer(), await fetch_value("SELECT id FROM offer")
    await have_everything_cost(LARGE)
    waiting, now = await order_by_transfer(partner, release), clock.now()
    beyond = now + 13 * DAY
    assert await is_payable_beyond(offer, beyond)
    assert await is_quoted_beyond(offer, beyond, now)
    await pay_transfer(stripe, partner, waiting)
    assert not await is_payable_beyond(offer, beyond)
    assert not await is_quoted_beyond(offer, beyond, now)
