"""The attack: wait until a part costs more than its whole, or until it and a held price cost less."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest

from marketplace import clock
from marketplace.catalogue import actions
from marketplace.errors import Conflict
from tests.attacks.test_price_menus import make_span, sell
from tests.marketplace.catalogue.shop import make_buyer, open_shop
from tests.marketplace.datasets.builders import ZONES


@pytest.mark.parametrize(("whole", "part", "floor"), [(24, 40, 130_000), (26, 40, 130_000), (24, 38, 120_000)])
async def test_a_menu_that_can_be_undercut_on_a_day_to_come_is_refused(whole: int, part: int, floor: int) -> None:
    """A city that ages faster than its halves: now it costs more than each, and so it does in 30 and in 180 days."""
    datasets = (("west", ZONES[:3], part), ("east", ZONES[3:], part), ("city", ZONES, whole))
    for code, zones, half_life in datasets:
        await open_shop(code, zones=list(zones), half_life_days=half_life)
        await sell(code, 1_000_000 * len(zones), floor=floor)
    for code, zones, _ in datasets:
        await make_span(code, len(zones), 0, 7)
    with pytest.raises(
        Conflict, match=r"Not listed: (east|west) .* but who buys city .* on \d{4}-\d\d-\d\d \d\d:\d\d UTC"
    ):
        await sell("city", 1_000_000 * len(ZONES), floor=floor)


@pytest.mark.parametrize("is_long", [True, False])
async def test_a_held_price_is_compared_until_it_lapses(*, is_long: bool) -> None:
    """West is held and then costs more: in a week it and the east, which falls meanwhile, would cost less than the city."""
    floors = {"west": 2_000_000, "east": 2_600_000, "city": 4_500_000}
    for code, zones in (("west", ZONES[:3]), ("east", ZONES[3:]), ("city", ZONES)):
        await open_shop(code, zones=list(zones))
        release = await make_span(code, len(zones), 0, 7)
        await sell(code, 1_000_000 * len(zones), floor=floors[code])
        if code == "west":
            await actions.quote(await make_buyer(), release, quote_id=uuid.uuid4(), is_held=is_long)
    if is_long:
        with pytest.raises(Conflict, match=r"Not listed: city .* but who buys .*west .* UTC\).* on \d{4}-"):
            await raise_west_and_city()
    with clock.shifted(dt.timedelta(days=31 if is_long else 0, minutes=16)):
        await raise_west_and_city()


async def raise_west_and_city() -> None:
    """List both at more, the west first; neither is undercut at posted prices."""
    await sell("west", 3_300_000, floor=2_400_000)
    await sell("city", 1_000_000 * len(ZONES), floor=5_000_000)


@pytest.mark.parametrize(("half_life", "is_refused"), [(5, True), (40, False)])
async def test_a_held_part_is_compared_while_its_whole_stays_at_its_cap(half_life: int, *, is_refused: bool) -> None:
    """Of one dataset: what is left of the week leaves its cap within the thirty days, or does not."""
    await open_shop("city", half_life_days=half_life)
    parts = [await make_span("city", len(ZONES), first, days) for first, days in ((0, 7), (0, 3), (3, 4))]
    await sell_up_to(300_000)
    await actions.quote(await make_buyer(), parts[1], quote_id=uuid.uuid4(), is_held=True)
    if is_refused:
        with pytest.raises(Conflict, match=r"Not listed: city .* but who buys city .*, city .* on \d{4}-"):
            await sell_up_to(1_000_000)
    else:
        await sell_up_to(1_000_000)


async def sell_up_to(cap: int) -> None:
    await actions.list_offer("city", terms="standard-1", full_worth_minor=8_000_000, floor_minor=1, cap_minor=cap)
