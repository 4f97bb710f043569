"""What demand learns from: licences that were paid and stayed so, and bids that auctions revealed, each named as a source."""

import datetime as dt
import json
import secrets
import uuid
from collections.abc import Mapping

import asyncpg
import pytest

from marketplace.catalogue.offers import actions, rules
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.core import clock
from marketplace.people.identity.actors import Actor
from marketplace.sales.auctions.actions import place_sealed_bid
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.award import close_auctions
from marketplace.sales.auctions.registry import KINDS
from marketplace.sales.auctions.reserves import compute_reserve
from marketplace.sales.orders.refunds import request_order_refund
from tests.people.builders import Browser, page_text, spender_for
from tests.sales.builders.auctions import make_bidder, move_end, open_auction
from tests.sales.builders.shop import FLOOR, jobs, make_buyer, make_quote, make_sale, open_shop, save_card
from tests.support.reads import fetch, fetch_value

DAY = dt.timedelta(days=1)


async def last_draw() -> asyncpg.Record:
    """Return the latest draw of the only offer."""
    return (await fetch("SELECT demand_basis_points, sales, days, bids FROM demand_draw ORDER BY day DESC LIMIT 1"))[0]


@pytest.mark.usefixtures("stripe")
async def test_what_was_paid_teaches_and_what_went_back_does_not() -> None:
    """The next draw names the sale it was drawn from; a sale whose price went back is forgotten."""
    release, partner = await open_shop(), await make_buyer()
    async with Browser() as browser:
        await browser.sign_in("atelier@partner.example")
        order = await make_sale(browser, partner, release)
        paid = await fetch_value("SELECT neutral_minor FROM posted_sale WHERE quote = $1", order["quote"])
        assert paid == order["net_minor"], "demand was neutral on the first day"
        with clock.shifted(8 * DAY):
            await actions.refresh_demand()
            assert tuple(await last_draw())[1:] == (1, 1, 0)
            await browser.sign_in("atelier@partner.example")
            page = page_text(await browser.get("/en/datasets/lyon"))
            assert "Demand is learnt from 1 licence sold and 0 bids revealed by auctions in the last year." in page
            assert "asking for a quote never moves it" in page
            quote = await make_quote(partner, release)
            assert "1 licence sold" in page_text(await browser.get(f"/en/quotes/{quote}"))
            assert "1 licence vendue" in page_text(await browser.get(f"/fr/quotes/{quote}"))
            document = (await browser.get(f"/en/quotes/{quote}/document.json")).json()["document"]
            assert json.loads(document)["demand"] == {"bids": 0, "days": 1, "sales": 1}
            assert rules.evidence_of(document.encode()) == rules.Evidence(1, 1, 0)
    await request_order_refund(order["id"], "Finance", refund_id=uuid.uuid4())
    await jobs()
    with clock.shifted(20 * DAY):
        await actions.refresh_demand()
        assert (await last_draw())["sales"] == 0


def test_a_multiplier_stays_a_week_and_then_moves_by_a_step() -> None:
    """However far the draw is; while it stays, it does so for all of seven days."""
    first = dt.date(2026, 3, 1)
    past: list[tuple[dt.date, int]] = []
    for number in range(30):
        day = first + number * DAY
        past.append((day, rules.next_multiplier(past, rules.DEMAND_GRID[-1], day)))
    posted = [multiplier for _, multiplier in past]
    assert posted == [10_000] * 7 + [10_300] * 7 + [10_609] * 7 + [10_927] * 7 + [11_254] * 2


def test_draws_of_the_rule_before_are_held_a_week_too() -> None:
    """They moved daily, by up to a half: the last of them is approached from, as any."""
    day = dt.date(2026, 3, 10)
    past = [(day - 2 * DAY, 8_500), (day - DAY, 14_500)]
    assert rules.next_multiplier(past, 10_000, day) == 14_500
    assert rules.next_multiplier(past, 10_000, day + 6 * DAY) == 14_078


async def auction_with_bids(release: uuid.UUID, bids: Mapping[uuid.UUID, int], *, reserve_minor: int = 0) -> uuid.UUID:
    """Hold a sealed auction of one licence, with these bids, to its award."""
    now = clock.now()
    plan = Plan(
        kind="limited",
        offer=await fetch_value("SELECT id FROM offer"),
        releases=[release],
        opens_at=now - dt.timedelta(seconds=1),
        closes_at=now + DAY,
        reserve_minor=reserve_minor,
    )
    auction = await announce(plan, by="Steward")
    await place_and_award(auction, bids)
    return auction


async def place_and_award(auction: uuid.UUID, bids: Mapping[uuid.UUID, int]) -> None:
    """Place these sealed bids, let the end pass, and have the award made."""
    for partner, amount in bids.items():
        actor = Actor(name="Bidder", person=(await spender_for(partner)).person, partner=partner, vetted=True)
        nonce = secrets.token_hex(32)
        answer = await place_sealed_bid(actor, auction, bid=uuid.uuid4(), nonce=nonce, packages=[([0], amount)])
        assert answer.accepted, answer
    await move_end(auction)
    await close_auctions()


async def test_revealed_bids_teach_the_posted_price_and_that_the_reserve() -> None:
    """Nothing is known before the award; then each bidder's bid, as a multiplier; the next reserve is the learnt price."""
    release = await open_shop()
    bidders = [await make_buyer(f"bidder{number}") for number in range(3)]
    for bidder in bidders:
        await save_card(bidder)
    [row] = await list_priced_releases([release])
    neutral = (await actions.price_now(row, now=clock.now())).amount_minor
    bids = {bidder: neutral * (number + 2) // 2 for number, bidder in enumerate(bidders)}
    auction = await auction_with_bids(release, bids)
    found = await fetch("SELECT partner, auction, value_basis_points, reserve_basis_points FROM observed_bid")
    assert {one["partner"]: round(one["value_basis_points"] / 100) for one in found} == {
        bidder: 50 * (number + 2) for number, bidder in enumerate(bidders)
    }
    assert {one["auction"] for one in found} == {auction}
    assert all(one["reserve_basis_points"] < one["value_basis_points"] for one in found)
    with clock.shifted(8 * DAY):
        await actions.refresh_demand()
        assert (await last_draw())["bids"] == 3
        price = (await actions.price_now(row, now=clock.now())).amount_minor
        now = clock.now()
        offer = await fetch_value("SELECT id FROM offer")
        computed = await compute_reserve(offer, [release], closes_at=now, now=now)
        assert computed.reserve_minor == price > FLOOR
        assert json.loads(computed.document)["demand"] == {"sales": 0, "days": 1, "bids": 3}
        assert [step["name"] for step in computed.waterfall] == ["posted_price", "older_at_close"]
        async with Browser() as browser:
            page = page_text(await browser.get("/en/datasets/lyon"))
            assert "Demand, by bids" in page
            assert "3 bids revealed by auctions" in page
            assert "Demande, d’après les offres" in page_text(await browser.get("/fr/datasets/lyon"))


async def test_bids_for_what_is_worth_less_than_the_least_charge_teach_nothing() -> None:
    """Demand does not move such a price: a bid is no multiple of what the data, a quarter of a century old, are worth."""
    auction, bidder = await open_auction("limited"), await make_bidder()
    await place_and_award(auction, {bidder.partner: 5_000})
    assert await fetch_value("SELECT count(*) FROM auction_transcript") == 1
    assert await fetch_value("SELECT count(*) FROM observed_bid") == 0


def test_bids_for_a_window_or_a_bundle_teach_no_posted_price() -> None:
    """What keeps others from buying, and several releases together, are worth something else than one licence."""
    assert [code for code, kind in KINDS.items() if kind.sells_ordinary_licences] == ["ascending", "limited"]
