"""What demand learns from: licences that were paid and stayed so, and bids that auctions revealed, each named as a source."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any

from marketplace import clock
from marketplace.catalogue import actions, rules
from marketplace.purchases.refunds import request_order_refund
from tests.marketplace.identity.site import Browser, text_of
from tests.marketplace.purchases.shop import jobs, make_buyer, make_quote, make_sale, open_shop
from tests.support.reads import fetch, fetch_value

if TYPE_CHECKING:
    import asyncpg

DAY = dt.timedelta(days=1)


async def last_draw() -> asyncpg.Record:
    """Return the latest draw of the only offer."""
    return (await fetch("SELECT demand_basis_points, sales, days, bids FROM demand_draw ORDER BY day DESC LIMIT 1"))[0]


async def test_what_was_paid_teaches_and_what_went_back_does_not(stripe: Any) -> None:
    """The next draw names the sale it was drawn from; a sale whose price went back is forgotten."""
    del stripe
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
            page = text_of(await browser.get("/en/datasets/lyon"))
            assert "Demand is learnt from 1 licence sold and 0 bids revealed by auctions in the last year." in page
            assert "asking for a quote never moves it" in page
            quote = await make_quote(partner, release)
            assert "1 licence sold" in text_of(await browser.get(f"/en/quotes/{quote}"))
            assert "1 licence vendue" in text_of(await browser.get(f"/fr/quotes/{quote}"))
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
