"""Ways to pay less than a subscription costs: to join one that is late already, or to agree to a price that has moved."""

import asyncio
import datetime as dt
import re
import uuid

import pytest
from msgspec import structs

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.sales.auctions.actions import cancel
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.subscriptions.actions import deliver, subscribe
from tests.catalogue.builders import amounts_of, charge_at_least, put_on_sale
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.shop import jobs, make_buyer, make_quote, next_release, open_shop, save_card, seal_release
from tests.support.reads import ORDERED, fetch, fetch_value

DAY, WEEK = dt.timedelta(days=1), dt.timedelta(days=7)


@pytest.mark.parametrize(("waited", "credited"), [(0, 0), (2, 0), (8, 5)])
@pytest.mark.usefixtures("stripe")
async def test_who_subscribes_to_what_is_late_already_is_not_credited_for_the_days_before(
    waited: int, credited: int
) -> None:
    """The next week ended 20 days ago and is not published: its promise of 3 days counts from when it is subscribed to."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 20 * DAY
    await open_shop(period=(end - 2 * WEEK, end - WEEK))
    await execute("UPDATE dataset SET cadence = 'week', budget_micro = 900000000")
    partner = await make_buyer()
    await save_card(partner)
    subscription = uuid.uuid4()
    await subscribe(partner, "lyon", by=await spender_for(partner), releases=4, subscription=subscription)
    await execute("UPDATE subscription SET promised_days = 3")
    # The shop's releases are sealed two days before they are there.
    with clock.shifted((waited + 2) * DAY - dt.timedelta(hours=1)):
        await seal_release(period=(end - WEEK, end))
        assert await deliver() == 1
        await jobs()
    assert [row["days_late"] for row in await fetch("SELECT days_late FROM service_credit")] == [credited] * bool(
        credited
    )


@pytest.mark.usefixtures("stripe")
async def test_nobody_is_subscribed_at_a_higher_price_than_was_shown() -> None:
    """The price rises between the page and the press: the page comes again with the new one, and what was chosen."""
    await open_shop()
    await execute("UPDATE dataset SET cadence = 'week'")
    partner = await make_buyer()
    await save_card(partner)
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        page = await browser.get("/en/subscribe/lyon")
        found = re.search(r'name="seen_minor" value="(\d+)"', page.text)
        assert found
        fields = {"dataset": "lyon", "releases": "12", "seen_minor": found[1]}
        await charge_at_least(3 * int(found[1]))
        refused = await browser.submit("/en/subscribe/lyon", fields)
        assert "The price has risen since" in page_text(refused)
        assert '<option value="12" selected' in refused.text
        assert await fetch_value("SELECT count(*) FROM subscription") == 0
        again = re.search(r'name="seen_minor" value="(\d+)"', refused.text)
        assert again
        assert int(again[1]) > int(found[1])
        await charge_at_least(2 * int(found[1]))
        made = await browser.submit("/en/subscribe/lyon", fields | {"seen_minor": again[1]})
        assert made.status_code == 303, "what became cheaper is locked at the lower price"
    assert await fetch_value("SELECT locked_minor FROM subscription") < int(again[1])


@pytest.mark.usefixtures("stripe")
async def test_a_hostile_partner_gains_nothing_by_pressing_twice_late_or_for_another() -> None:
    """Two pages pressed at once, a quote that expires while its form is open, and another partner's quote."""
    release = await open_shop()
    await execute("UPDATE dataset SET cadence = 'week'")
    partner, rival = await make_buyer(), await make_buyer("rival")
    await save_card(partner)
    by = await spender_for(partner)
    pressed = [subscribe(partner, "lyon", by=by, releases=4, subscription=uuid.uuid4()) for _ in range(2)]
    outcomes = await asyncio.gather(*pressed, return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["Conflict", "NoneType"]
    assert await fetch_value("SELECT count(*) FROM subscription") == 1
    own, others = await make_quote(partner, release), await make_quote(rival, release)
    written = {"street": "1 rue Longue", "postcode": "69001", "city": "Lyon"}
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        assert (await browser.submit(f"/en/quotes/{others}/orders", written)).status_code == 404
        with clock.shifted(dt.timedelta(minutes=16)):
            late = await browser.submit(f"/en/quotes/{own}/orders", written)
            assert (late.status_code, "has expired" in page_text(late)) == (410, True)
        assert await fetch_value("SELECT count(*) FROM purchase_order") == 0
        both = [browser.submit(f"/en/quotes/{own}/orders", written) for _ in range(2)]
        assert [one.status_code for one in await asyncio.gather(*both)] == [303, 303]
    assert await fetch_value("SELECT count(*) FROM purchase_order") == 1, "two pages of one quote order it once"


@pytest.mark.usefixtures("stripe")
async def test_a_subscription_to_weeks_has_no_quarter_at_a_weeks_price() -> None:
    """A release of twelve weeks is published beside the next week: the subscription orders the week."""
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    await open_shop(rows=1_000, period=(end - 14 * WEEK, end - 13 * WEEK))
    await execute("UPDATE dataset SET cadence = 'week', budget_micro = 900000000")
    partner = await make_buyer()
    await save_card(partner)
    await subscribe(partner, "lyon", by=await spender_for(partner), releases=4, subscription=uuid.uuid4())
    await seal_release(rows=12_000, period=(end - 12 * WEEK, end))
    assert await deliver() == 0
    week = await seal_release(rows=1_000, period=(end - WEEK, end))
    assert await deliver() == 1
    assert await fetch_value(f"SELECT release FROM {ORDERED}") == week


@pytest.mark.parametrize(("half_life_days", "worth"), [(7, 3), (30, 3), (30, 1)])
@pytest.mark.usefixtures("stripe")
async def test_on_the_eve_of_a_release_only_the_sheet_is_locked_and_never_its_age(
    half_life_days: int, worth: int
) -> None:
    """The latest release is old and cheap on the eve of the next one, which costs what it costs at its own age.

    The sheet states `worth` times as much since: what is locked is the sheet of the eve.
    """
    end = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 3 * DAY
    await open_shop(period=(end - WEEK, end))
    await execute("UPDATE dataset SET cadence = 'week', budget_micro = 900000000")
    await put_on_sale("lyon", half_life_days=half_life_days)
    partner = await make_buyer()
    await save_card(partner)
    with clock.shifted(WEEK - DAY):
        [old] = await amounts_of("lyon")
        await subscribe(partner, "lyon", by=await spender_for(partner), releases=4, subscription=uuid.uuid4())
    with clock.shifted(WEEK):
        await seal_release(period=(end, end + WEEK))
        posted = max(await amounts_of("lyon"))
        await put_on_sale("lyon", worth_minor=worth * 240_000, half_life_days=half_life_days)
        assert await deliver() == 1
    paid = await fetch_value("SELECT net_minor FROM purchase_order")
    assert paid == posted > old


@pytest.mark.usefixtures("stripe")
async def test_a_partner_has_a_dataset_alone_though_others_subscribe_to_it_and_their_releases_wait() -> None:
    release = await open_shop()
    await execute("UPDATE dataset SET cadence = 'week', budget_micro = 900000000")
    partner, rival = await make_buyer("first"), await make_buyer("second")
    for one in (partner, rival):
        await save_card(one)
    await subscribe(partner, "lyon", by=await spender_for(partner), releases=4, subscription=uuid.uuid4())
    now, offer = clock.now(), await fetch_value("SELECT id FROM offer")
    hour = dt.timedelta(hours=1)
    plan = Plan("exclusive", offer, [release], now - hour, now + hour, exclusive_from=now + 2 * hour)
    auction = await announce(structs.replace(plan, exclusive_to=now + 50 * hour), by="Steward")
    await subscribe(rival, "lyon", by=await spender_for(rival), releases=4, subscription=uuid.uuid4())
    await next_release(1)
    with clock.shifted(3 * hour):
        assert await deliver() == 0
    await cancel(auction, "Too soon.", by="Steward")
    with clock.shifted(51 * hour):
        assert await deliver() == 2, "both had waited"
