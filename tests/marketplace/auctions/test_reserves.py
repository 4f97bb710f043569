"""The reserve of an auction follows promises to contributors as they will be at its close, and on each day of its window."""

from __future__ import annotations

import json
import uuid

import pytest

from marketplace import clock
from marketplace.auctions.reserves import Reckoned, reckon_reserve
from marketplace.catalogue.queries import get_listing
from marketplace.datasets.contributor_terms import write_contributor_term
from marketplace.errors import Conflict
from tests.attacks.test_price_alike import open_parts
from tests.attacks.test_price_menus import DAY, amounts_of

CLOSES = 10


async def promise(code: str, begins: int, ends: int, *, cents: int = 3_000_000) -> None:
    now = clock.now()
    await write_contributor_term(
        uuid.uuid4(), code, promised_minor=cents, starts_at=now + begins * DAY, ends_at=now + ends * DAY
    )


async def reserve_of(code: str, *, window: tuple[int, int] | None = None) -> Reckoned:
    now, listing = clock.now(), await get_listing(code)
    shut = (now + window[0] * DAY, now + window[1] * DAY) if window else None
    return await reckon_reserve(listing.offer, [listing.latest], closes_at=now + CLOSES * DAY, window=shut, now=now)


@pytest.mark.parametrize(("begins", "ends"), [(5, 95), (-1, 5), (-1, 95), (20, 95)])
@pytest.mark.parametrize("of", ["west", "city"])
async def test_a_reserve_is_the_posted_price_at_the_close(begins: int, ends: int, of: str) -> None:
    """Of promises that begin or end before it too, to its own contributors or to those of what lies with it."""
    await open_parts()
    await promise(of, begins, ends)
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
    await promise("city", 5, 95, cents=10**11)
    with pytest.raises(Conflict, match="not for sale when the auction closes"):
        await reserve_of("city")


@pytest.mark.parametrize("days", [(5, 95), (-1, 15), (22, 95), (22, 25), (-1, 11)])
async def test_a_window_forgoes_each_day_at_its_price(days: tuple[int, int]) -> None:
    """Ten days from the tenth day after the close on, each at what is promised then; the first, as at the close too."""
    await open_parts()
    plain = await reserve_of("city", window=(20, 30))
    await promise("west", *days)
    found = await reserve_of("city", window=(20, 30))
    floors = json.loads(found.document)["floors_minor"]
    raised = {day for day in range(20, 30) if days[0] <= day < days[1] or (day == 20 and days[0] < CLOSES < days[1])}
    assert {20 + at for at, floor in enumerate(floors) if floor == max(floors)} == (raised or set(range(20, 30)))
    assert found.reserve_minor > plain.reserve_minor
    assert sum(step["amount_minor"] for step in found.waterfall) == found.reserve_minor
