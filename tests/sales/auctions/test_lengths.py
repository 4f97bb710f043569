"""A lot states how long its licence lasts: reserved at that length's price, bound before the first bid, sold for as long."""

import datetime as dt
import json
import re
import uuid

import html5lib
import pytest

from marketplace.catalogue.offers import actions as catalogue
from marketplace.catalogue.offers.queries import find_listed_release
from marketplace.core import clock
from marketplace.finance.reconciliation.actions import reconcile
from marketplace.money.payments.balance import mirror_balance
from marketplace.sales.auctions import award as ending
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.queries import get_auction, get_transcript
from pricing.auctions.replay import replay
from pricing.auctions.transcript import from_json, to_json
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.sales.builders.auctions import move_end
from tests.sales.builders.shop import jobs, make_buyer, open_shop, pay, save_card
from tests.support.reads import fetch_one, fetch_value


async def open_for_lengths() -> tuple[uuid.UUID, dict[int, int]]:
    """Open the shop; return the release and today's price of some lengths."""
    release = await open_shop()
    listed = await find_listed_release(release)
    assert listed
    prices = await catalogue.prices_by_length(listed, now=clock.now())
    return release, {months: one.amount_minor for months, one in prices}


@pytest.mark.usefixtures("stripe")
async def test_a_licence_of_three_years_is_auctioned() -> None:
    _, posted = await open_for_lengths()
    buyer = await make_buyer()
    await save_card(buyer)
    await add_staff("sam@operator.example", "Sam Steward", "steward", PASSWORD)
    now, offer = clock.now(), str(await fetch_value("SELECT id FROM offer"))
    form, reserve_of = str(uuid.uuid4()), dict[int, int]()
    fields = {
        "kind": "limited",
        "offer": offer,
        "licences": "1",
        "opens_at": f"{now - dt.timedelta(minutes=2):%Y-%m-%dT%H:%M}",
        "closes_at": f"{now + dt.timedelta(hours=3):%Y-%m-%dT%H:%M}",
    }
    async with Browser() as steward, Browser() as partner:
        await steward.sign_in("sam@operator.example")
        await partner.sign_in("atelier@partner.example")
        for wrong in ("121", "long", "0", "-3"):
            for path in ("new", "reserve"):
                refused = await steward.submit(f"/en/steward/auctions/{path}", fields | {"months": wrong})
                assert refused.status_code == 422, wrong
                assert 'id="months-error"' in refused.text, "said at the field"
                assert f'value="{wrong}"' in refused.text, "what was typed is kept"
        for months in (12, 36):
            shown = await steward.submit("/en/steward/auctions/reserve", fields | {"months": str(months)})
            html5lib.HTMLParser(strict=True).parse(shown.text)
            amounts = re.findall(r"€([\d,.]+)", page_text(shown).split("The reserve, as pricing computes it")[1])
            reserve_of[months] = max(int(re.sub(r"\D", "", amount)) for amount in amounts[-1:])
        answer = await steward.submit("/en/steward/auctions/new", fields | {"months": "36"}, form_id=form)
        assert answer.status_code == 303, page_text(answer)
        row = await get_auction(uuid.UUID(form))
        assert (row.licence_terms, row.months) == ("standard-1", 36)
        assert reserve_of[12] < row.reserve_minor == reserve_of[36] <= posted[36], (
            "reserved at the price of what is sold"
        )
        for language, sentence in (("en", "licence of 36 months"), ("fr", "licence de 36 mois")):
            shown = await partner.get(f"/{language}/auctions/{form}")
            html5lib.HTMLParser(strict=True).parse(shown.text)
            assert sentence in page_text(shown), "each lot states its term"
        assert f"€{posted[36] / 100:,.2f}" in page_text(await partner.get(f"/en/auctions/{form}")), (
            "beside what it costs posted"
        )
        described = (await partner.get(f"/api/v1/auctions/{form}")).json()
        assert (described["licence_terms"], described["months"]) == ("standard-1", 36)
        bid = {"amount": f"{posted[36] / 100 + 50:.2f}", "nonce": "ab" * 32}
        assert (await partner.submit(f"/en/auctions/{form}/bids", bid)).status_code == 303
        await move_end(uuid.UUID(form))
        await ending.close_auctions()
        sale, order = await fetch_value("SELECT id FROM auction_sale"), str(uuid.uuid4())
        await partner.submit(f"/en/auctions/sales/{sale}/pay", {}, form_id=order)
        address = await fetch_value("SELECT checkout_url FROM payment WHERE subject = $1", uuid.UUID(order))
        assert (await pay(address)).status_code == 303
        await jobs()
    sold = await fetch_one(
        """SELECT quote.months, extract(year FROM age(ends_at, starts_at))::integer AS years FROM entitlement
           JOIN licence ON licence.id = entitlement.licence JOIN purchase_order ON purchase_order.id = licence.purchase_order
           JOIN order_lot ON order_lot.purchase_order = purchase_order.id JOIN quote ON quote.id = order_lot.quote"""
    )
    assert sold == (36, 3)
    await mirror_balance()
    await reconcile()
    await the_term_is_bound(uuid.UUID(form))


async def the_term_is_bound(auction: uuid.UUID) -> None:
    """Check that the transcript states the licence's length, and that another one shows."""
    text, row = (await get_transcript(auction)).decode(), await get_auction(auction)
    assert row.root
    assert not replay(from_json(text), bytes.fromhex(row.root)).differences
    changed = json.loads(text)
    assert (changed["terms"]["licence_terms"], changed["terms"]["months"]) == ("standard-1", 36)
    changed["terms"]["months"] = 3
    assert replay(from_json(json.dumps(changed)), bytes.fromhex(row.root)).differences, "a shorter licence shows"
    assert to_json(from_json(text)) == text


async def test_what_is_bid_for_a_length_teaches_demand_at_the_price_of_that_length() -> None:
    release, posted = await open_for_lengths()
    buyer, offer = await make_buyer(), await fetch_value("SELECT id FROM offer")
    learnt = {}
    for months in (12, 36):
        await catalogue.record_observed_bids(
            (number := uuid.uuid4()),
            offer=offer,
            release=release,
            terms="standard-1",
            months=months,
            reserve_minor=posted[months],
            bids={buyer: 2 * posted[months]},
        )
        seen = "SELECT value_basis_points FROM observed_bid WHERE auction = $1"
        learnt[months] = await fetch_value(seen, number)
    assert learnt[12] == pytest.approx(learnt[36], rel=0.01), "twice the price is twice the price, for any length"


async def test_a_bundle_is_sold_for_any_length() -> None:
    release, _ = await open_for_lengths()
    now, offer = clock.now(), await fetch_value("SELECT id FROM offer")
    plan = Plan(
        kind="bundle", offer=offer, releases=[release], opens_at=now, closes_at=now + dt.timedelta(hours=2), months=7
    )
    assert (await get_auction(await announce(plan, by="Sam"))).months == 7
