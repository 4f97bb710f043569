"""The reserve of an auction is the posted price of data as old as they will be at its close, or on each day of its window."""

import asyncio
import contextvars
import datetime as dt
import uuid

import pytest

from marketplace.catalogue.offers.queries import get_listing
from marketplace.catalogue.offers.stated import state_sheet, state_volume
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.locks import lock
from marketplace.people.identity.actors import Actor
from marketplace.sales.auctions.announcing import Plan, announce
from marketplace.sales.auctions.reserves import ComputedReserve, compute_reserve
from pricing.sheet import Law
from tests.catalogue.builders import (
    DAY,
    PARTS,
    amounts_of,
    list_offer,
    open_parts,
    promise_contributors,
    put_on_sale,
    sheet_document,
)
from tests.support.waiting import until_blocked

CLOSES = 10
STEWARD = Actor(name="Samir", role="steward")
MINUTE = dt.timedelta(minutes=1)


async def reserve_of(code: str, *, window: tuple[int, int] | None = None) -> ComputedReserve:
    now, listing = clock.now(), await get_listing(code)
    shut = (now + window[0] * DAY, now + window[1] * DAY) if window else None
    return await compute_reserve(listing.offer, [listing.latest], closes_at=now + CLOSES * DAY, window=shut, now=now)


async def test_a_reserve_is_the_posted_price_at_the_close() -> None:
    await open_parts()
    [today, found] = (await amounts_of("city"))[0], await reserve_of("city")
    with clock.shifted(CLOSES * DAY):
        assert [found.reserve_minor] == await amounts_of("city")
    steps = [(step["name"], step["amount_minor"]) for step in found.waterfall]
    assert steps == [("posted_price", today), ("older_at_close", found.reserve_minor - today)]
    assert found.reserve_minor < today


@pytest.mark.parametrize("window", [None, (2, 9)])
@pytest.mark.parametrize("what", ["sheet", "law"])
async def test_what_is_stated_dearer_for_later_raises_a_reserve(window: tuple[int, int] | None, what: str) -> None:
    """An exclusive window forgoes it as the auction of an ordinary licence does; cheaper, it lowers none."""
    await open_parts()
    plain = await reserve_of("city", window=window)
    for factor in (0.5, 3.0):
        starts = clock.now() + 5 * DAY
        if what == "law":
            law = Law(currency="EUR", volume=((0, 10_000),), least_minor=round(plain.reserve_minor * factor))
            await state_volume(law, STEWARD, law_id=uuid.uuid4(), starts_at=starts)
        else:
            document = await sheet_document("city", worth_minor=round(1_000_000 * len(PARTS["city"]) * factor))
            await state_sheet("sheet-city", document, STEWARD, version=uuid.uuid4(), starts_at=starts)
        found = await reserve_of("city", window=window)
        assert (found.reserve_minor > 2 * plain.reserve_minor) == (factor > 1)
        assert factor > 1 or found.reserve_minor == plain.reserve_minor
    if not window:
        with clock.shifted(CLOSES * DAY):
            assert [found.reserve_minor] == await amounts_of("city")


async def test_a_promise_to_contributors_moves_no_reserve() -> None:
    """As it moves no price: it is paid within the least charge."""
    await open_parts()
    plain = await reserve_of("city")
    await promise_contributors("city", 95, begins=5, cents=10**11)
    assert (await reserve_of("city")).reserve_minor == plain.reserve_minor


@pytest.mark.parametrize(("announced_at", "closes_at"), [(1, 59), (59, 1)])
async def test_a_reserve_counts_age_in_full_hours_as_prices_do(announced_at: int, closes_at: int) -> None:
    """Data of a half-life of a day are three in a hundred cheaper an hour later."""
    await open_parts()
    await put_on_sale("city", worth_minor=1_000_000, least_minor=1, half_life_days=1)
    hour = clock.now().replace(minute=0, second=0, microsecond=0) + DAY
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
