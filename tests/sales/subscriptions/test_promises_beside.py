"""What contributors are promised raises what is sold from then on, nothing that was agreed with one partner, and is kept there too."""

from __future__ import annotations

import io
import uuid
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.payments.balance import mirror_balance
from marketplace.people.identity.actors import Actor
from marketplace.sales.agreed import private_actions as private_offers
from marketplace.sales.subscriptions.actions import deliver, subscribe
from marketplace.subscribers.earnings.actions import hold_shares
from marketplace.subscribers.earnings.queries import get_share
from tests.catalogue.builders import DAY, PARTS, amounts_of, list_offer, make_span, open_parts, promise_contributors
from tests.people.builders import Browser, page_text
from tests.sales.builders.shop import jobs, make_buyer, make_payer, open_shop, save_card_on_page, seal_release
from tests.subscribers.builders import sales
from tests.support.reads import fetch_one, fetch_value


async def open_weekly_parts() -> uuid.UUID:
    """Sell a city and its parts week by week, and return a partner that can subscribe."""
    await open_parts()
    await execute("UPDATE dataset SET cadence = 'week'")
    return await make_payer()


@pytest.mark.parametrize("promised_of", ["west", "east"])
async def test_a_locked_price_is_raised_by_no_promise(stripe: Any, promised_of: str) -> None:
    del stripe
    partner = await open_weekly_parts()
    await subscribe(partner, "east", releases=4, subscription=uuid.uuid4())
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    await promise_contributors(promised_of, 90, cents=3_000_000)
    with clock.shifted(8 * DAY):
        await make_span("east", len(PARTS["east"]), 0, 7)
        assert (await amounts_of("east"))[0] > locked
        assert await deliver() == 1
    assert await fetch_value("SELECT net_minor FROM purchase_order") == locked


@pytest.mark.parametrize("is_begun_before", [False, True])
async def test_a_release_costs_the_price_of_the_day_where_that_is_less(stripe: Any, *, is_begun_before: bool) -> None:
    """Others are promised something, before it begins or since: fewer people are worth less, and cost what everybody pays."""
    del stripe
    partner = await open_weekly_parts()
    if is_begun_before:
        await subscribe(partner, "city", releases=4, subscription=uuid.uuid4())
    await promise_contributors("west", 90, cents=700_000 if is_begun_before else 3_000_000)
    if not is_begun_before:
        await subscribe(partner, "city", releases=4, subscription=uuid.uuid4())
    locked = await fetch_value("SELECT locked_minor FROM subscription")
    with clock.shifted(8 * DAY):
        await make_span("city", len(PARTS["city"]), 0, 7, consenting=300 * len(PARTS["city"]))
        await make_span("west", len(PARTS["west"]), 0, 7)
        posted, west = min(await amounts_of("city")), min(await amounts_of("west"))
        assert await deliver() == 1
    assert posted < locked if is_begun_before else posted == locked
    assert await fetch_value("SELECT net_minor FROM purchase_order") == posted >= west


async def test_where_a_promise_is_above_the_cap_nothing_is_for_sale_and_the_release_waits(stripe: Any) -> None:
    """There is no price of the day then; it comes once the promise has ended."""
    del stripe
    partner = await open_weekly_parts()
    await subscribe(partner, "east", releases=4, subscription=uuid.uuid4())
    await promise_contributors("west", 20, cents=10**11)
    for days, made in ((8, 0), (21, 1)):
        with clock.shifted(days * DAY):
            if not made:
                await make_span("east", len(PARTS["east"]), 0, 7)
            assert await deliver() == made
            refusal = await fetch_value("SELECT refusal FROM subscribed_release")
            assert ("above the highest price" in refusal) == (not made)


async def test_who_was_promised_more_than_a_locked_price_leaves_is_paid_what_was_promised(stripe: Any) -> None:
    """All of the operator's part goes to them, then the platform's, and more; everybody else's share is as it was."""
    del stripe
    await open_shop()
    await execute("UPDATE dataset SET cadence = 'week'")
    await execute("UPDATE offer SET cap_minor = 1000000000")
    await execute("INSERT INTO subscriber (reference, claimed_at) VALUES (1, now()), (2, now())")
    partner, now = await make_buyer(), clock.now()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        await save_card_on_page(browser, "/subscribe/lyon")
        await subscribe(partner, "lyon", releases=4, subscription=uuid.uuid4())
        locked = await fetch_value("SELECT locked_minor FROM subscription")
        promised = 2 * locked * 10_000
        await sales.promise_minimums({1: promised}, now - DAY, now + DAY)
        period = now.replace(hour=0, minute=0, second=0, microsecond=0) - 8 * DAY, now - DAY
        release, manifest = await seal_release(period=period, people=1_000), io.BytesIO()
        pq.write_table(pa.table({"reference": [1, 2], "weight": [500, 500]}), manifest)
        await object_store.put(object_store.private_key(release, "manifest.parquet"), manifest.getvalue())
        assert await deliver() == 1
        quote = await fetch_value("SELECT id FROM quote")
        assert "Your subscription’s price" in page_text(await browser.get(f"/en/quotes/{quote}"))
    await jobs()
    await mirror_balance()
    assert await hold_shares() == 1
    split = await fetch_one("SELECT * FROM licence_split JOIN licence ON licence.id = licence")
    assert split
    assert split["net_minor"] == locked, "and not what the floor was raised to"
    shares = {who: (await get_share(split["licence"], who)).share_micro for who in (1, 2)}
    assert shares == {1: promised, 2: split["pool_minor"] * 10_000 // 2}
    assert split["top_up_operator_minor"] == split["operator_minor"] > 0
    assert split["top_up_platform_minor"] > locked - split["pool_minor"] - split["operator_minor"]
    assert {who: micro[0] for who, micro in (await sales.balances()).items()} == shares, "the books owe it"
    await reconcile()


@pytest.mark.parametrize("is_promised", [False, True])
async def test_a_private_offer_is_audited_as_if_nothing_was_promised(*, is_promised: bool) -> None:
    await open_parts()
    with clock.shifted(80 * DAY):
        if is_promised:
            await promise_contributors("west", 2)
        partner, steward = await make_payer(), Actor("Samir", person=uuid.uuid4(), role="steward")
        with pytest.raises(Conflict, match="who buys city"):
            await private_offers.offer(
                steward, partner, "city", percent_off=50, ends_at=clock.now() + 25 * DAY, offer_id=uuid.uuid4()
            )


async def test_a_private_price_that_nothing_undercuts_today_is_signed_while_something_is_promised() -> None:
    """Everything costs what the promise needs, the private price too."""
    await open_parts()
    partner, steward, offer = await make_payer(), Actor("Samir", person=uuid.uuid4(), role="steward"), uuid.uuid4()
    await private_offers.offer(steward, partner, "city", percent_off=30, ends_at=clock.now() + 25 * DAY, offer_id=offer)
    await list_offer("west", 5_500_000)
    with pytest.raises(Conflict, match="but who buys city"):
        await private_offers.quote(partner, offer, quote_id=uuid.uuid4())
    await promise_contributors("west", 90, cents=3_000_000)
    assert {amount for code in PARTS for amount in await amounts_of(code)} == {9_022_610}
    await private_offers.quote(partner, offer, quote_id=uuid.uuid4())
