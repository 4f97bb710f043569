"""The reserve of an auction follows promises to contributors as they will be at its close, and on each day of its window."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import json
import uuid

import pytest

from marketplace.catalogue.offers.offers import make_changes, plan_change
from marketplace.catalogue.offers.queries import get_listing
from marketplace.catalogue.offers.rules import StatedOffer
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict
from marketplace.core.locks import lock
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.reserves import ComputedReserve, compute_reserve
from tests.catalogue.builders import (
    DAY,
    amounts_of,
    list_offer,
    make_span,
    open_catalogue,
    open_parts,
    promise_contributors,
)
from tests.datasets.builders import ZONES
from tests.support.owner import as_owner
from tests.support.waiting import until_blocked

CLOSES = 10
MINUTE = dt.timedelta(minutes=1)


async def reserve_of(code: str, *, window: tuple[int, int] | None = None) -> ComputedReserve:
    now, listing = clock.now(), await get_listing(code)
    shut = (now + window[0] * DAY, now + window[1] * DAY) if window else None
    return await compute_reserve(listing.offer, [listing.latest], closes_at=now + CLOSES * DAY, window=shut, now=now)


@pytest.mark.parametrize(("begins", "ends"), [(5, 95), (-1, 5), (-1, 95), (20, 95)])
@pytest.mark.parametrize("of", ["west", "city"])
async def test_a_reserve_is_the_posted_price_at_the_close(begins: int, ends: int, of: str) -> None:
    """Of promises that begin or end before it too, to its own contributors or to those of what lies with it."""
    await open_parts()
    await promise_contributors(of, ends, begins=begins, cents=3_000_000)
    [today, found] = (await amounts_of("city"))[0], await reserve_of("city")
    with clock.shifted(CLOSES * DAY):
        posted = (await amounts_of("city"))[0]
    assert found.reserve_minor == pytest.approx(posted, rel=0.01)
    steps = [(step["name"], step["amount_minor"]) for step in found.waterfall]
    assert steps[0] == ("posted_price", today)
    assert sum(amount for _, amount in steps) == found.reserve_minor
    assert (steps[2][1] != 0) == (begins < CLOSES and (begins > 0) != (ends < CLOSES))


async def test_what_is_not_sold_at_the_close_is_not_auctioned() -> None:
    await open_parts()
    await promise_contributors("city", 95, begins=5, cents=10**11)
    with pytest.raises(Conflict, match="not for sale when the auction closes"):
        await reserve_of("city")


@pytest.mark.parametrize("days", [(5, 95), (-1, 15), (22, 95), (22, 25), (-1, 11)])
async def test_a_window_forgoes_each_day_at_its_price(days: tuple[int, int]) -> None:
    """Ten days from the tenth day after the close on, each at what is promised then."""
    await open_parts()
    plain = await reserve_of("city", window=(20, 30))
    await promise_contributors("west", days[1], begins=days[0], cents=3_000_000)
    found = await reserve_of("city", window=(20, 30))
    floors = [day["floor_minor"] for day in json.loads(found.document)["by_day"]]
    raised = {day for day in range(20, 30) if days[0] <= day < days[1]}
    assert {20 + at for at, floor in enumerate(floors) if floor == max(floors)} == (raised or set(range(20, 30)))
    assert found.reserve_minor > plain.reserve_minor
    assert sum(step["amount_minor"] for step in found.waterfall) == found.reserve_minor


@pytest.mark.parametrize(("announced_at", "closes_at"), [(1, 59), (59, 1)])
async def test_a_reserve_counts_age_in_full_hours_as_prices_do(announced_at: int, closes_at: int) -> None:
    """Data of a half-life of a day are three in a hundred cheaper an hour later."""
    await open_parts()
    await as_owner("UPDATE dataset SET half_life_days = 1")
    hour = clock.now().replace(minute=0, second=0, microsecond=0)
    with clock.started_at(hour + announced_at * MINUTE):
        now, listing = clock.now(), await get_listing("city")
        closes = hour + DAY + closes_at * MINUTE
        found = await compute_reserve(listing.offer, [listing.latest], closes_at=closes, now=now)
    with clock.started_at(closes):
        assert [found.reserve_minor] == await amounts_of("city")


async def test_a_window_is_reserved_at_what_a_licence_costs_at_the_close() -> None:
    """It is then that its winner has one, months before others are shut out."""
    await open_parts()
    found = await reserve_of("city", window=(90, 93))
    with clock.shifted(CLOSES * DAY):
        assert found.reserve_minor == pytest.approx((await amounts_of("city"))[0], rel=0.01)
    await promise_contributors("city", CLOSES + 1, begins=CLOSES - 1, cents=3_000_000)
    raised = await reserve_of("city", window=(90, 93))
    with clock.shifted(CLOSES * DAY):
        assert raised.reserve_minor == pytest.approx((await amounts_of("city"))[0], rel=0.01)
    assert raised.reserve_minor > found.reserve_minor


@pytest.mark.parametrize("worth", [3_000_000, 4_000_000])
@pytest.mark.parametrize("window", [None, (20, 30)])
async def test_a_reserve_counts_a_change_of_the_offer_that_is_planned(
    worth: int, window: tuple[int, int] | None
) -> None:
    """It is written down, as a promise is, and begins before the close."""
    await open_catalogue("city")
    await make_span("city", len(ZONES), 0, 7)
    await list_offer("city", 2_000_000)
    stated = StatedOffer("standard-1", worth, 7, 1, 10**11)
    await plan_change("city", stated, clock.now() + 5 * DAY, change=uuid.uuid4(), by="Samir")
    found = await reserve_of("city", window=window)
    with clock.shifted(CLOSES * DAY):
        assert await make_changes() == 1
        [posted] = await amounts_of("city")
    assert found.reserve_minor == pytest.approx(posted, rel=0.01)


async def test_a_planned_change_that_makes_it_cheaper_lowers_no_reserve() -> None:
    """It may be cancelled, or refused on its day, when the auction can change no more."""
    await open_catalogue("city")
    await make_span("city", len(ZONES), 0, 7)
    await list_offer("city", 2_000_000)
    plain = await reserve_of("city")
    stated, change = StatedOffer("standard-1", 1_000, 7, 1, 10**11), uuid.uuid4()
    await plan_change("city", stated, clock.now() + 5 * DAY, change=change, by="Samir")
    assert (await reserve_of("city")).reserve_minor == plain.reserve_minor
    assert (await reserve_of("city", window=(20, 23))).reserve_minor >= plain.reserve_minor


async def test_an_auction_is_announced_while_its_dataset_is_listed_anew() -> None:
    """On the first look of a day, whose demand is drawn under the lock of all offers: each waited for the other's."""
    await open_parts()
    listing = await get_listing("city")
    with clock.shifted(DAY):
        now = clock.now()
        plan = Plan(
            kind="limited",
            offer=listing.offer,
            releases=[listing.latest],
            opens_at=now,
            closes_at=now + 3 * DAY,
            reserve_minor=0,
        )
        async with transaction():
            await lock("offers")
            announcing = asyncio.create_task(announce(plan, by="Samir"), context=contextvars.Context())
            await until_blocked(1)
            await list_offer("city", 6_900_000)
        await announcing
