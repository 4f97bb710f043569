"""The attack: wait until a part costs more than its whole, or until it and a held price cost less."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING

import pytest

from marketplace.catalogue.offers import actions, menu
from marketplace.core import clock
from marketplace.core.errors import Conflict
from tests.attacks.weeks_on_sale import A_CITY, EAST, WEST, Sold, audited
from tests.catalogue.builders import PRICED_AT, list_offer, make_span, make_vetted_partner, open_catalogue
from tests.datasets.builders import ZONES

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.mark.parametrize(("whole", "part", "floor"), [(24, 40, 130_000), (26, 40, 130_000), (24, 38, 120_000)])
async def test_a_menu_that_can_be_undercut_on_a_day_to_come_is_refused(whole: int, part: int, floor: int) -> None:
    """A city that ages faster than its halves: now it costs more than each, and so it does in 30 and in 180 days."""
    datasets = (("west", ZONES[:3], part), ("east", ZONES[3:], part), ("city", ZONES, whole))
    for code, zones, half_life in datasets:
        await open_catalogue(code, zones=list(zones), half_life_days=half_life)
        await list_offer(code, 1_000_000 * len(zones), floor=floor)
    for code, zones, _ in datasets:
        await make_span(code, len(zones), 0, 7)
    with pytest.raises(
        Conflict, match=r"Not listed: (east|west) .* but who buys city .* on \d{4}-\d\d-\d\d \d\d:\d\d UTC"
    ):
        await list_offer("city", 1_000_000 * len(ZONES), floor=floor)


@pytest.mark.parametrize(
    ("held_too", "east", "city"),
    [
        ("", 4_400_000, 7_000_000),
        ("west", 4_400_000, 7_000_000),
        ("west east", 4_240_000, 7_000_000),
        ("west city", 4_400_000, 7_700_000),
    ],
)
async def test_a_held_price_is_compared_until_it_lapses(held_too: str, east: int, city: int) -> None:
    """West is held and then costs more: in two weeks it and the east, which falls meanwhile, would cost less than the city.

    Who holds the east as well has it at the posted price by then, and who holds the city has that.
    """
    floors, partner = {"west": 2_000_000, "east": 2_600_000, "city": 4_500_000}, await make_vetted_partner()
    for code, zones in (("west", ZONES[:3]), ("east", ZONES[3:]), ("city", ZONES)):
        await open_catalogue(code, zones=list(zones))
        release = await make_span(code, len(zones), 0, 7)
        await list_offer(code, 1_000_000 * len(zones), floor=floors[code])
        await actions.quote(partner, release, quote_id=uuid.uuid4(), is_held=code in held_too.split())
    with clock.shifted(dt.timedelta(minutes=16)):  # other prices are no longer signed
        await list_offer("west", 3_300_000, floor=2_400_000)
        await list_offer("east", east, floor=2_600_000)
        if held_too:
            with pytest.raises(Conflict, match=r"Not listed: city .* but who buys .*west .* UTC\).* on \d{4}-"):
                await list_offer("city", city, floor=5_000_000)
    with clock.shifted(dt.timedelta(days=30, minutes=1)):
        await list_offer("city", city, floor=5_000_000)


@pytest.mark.parametrize("hours", [1, 24])
def test_the_last_hours_of_a_held_price_count(hours: int) -> None:
    """Meanwhile the east falls by two in a hundred, or by one until its floor: the city then costs more than both."""
    half_life = {"half_life_days": max(round(hours * 4 / 3), 1)}
    east = menus_beside(Sold("east", EAST, 10, 10_000_000, half_life))[0][0][0].amount_minor
    fall = east // 100
    west, city = ({"floor_minor": price, "cap_minor": price} for price in (500_000, 500_000 - fall + east))
    sold = (
        Sold("west", WEST, 10, 10**9, west),
        Sold("east", EAST, 10, 10_000_000, half_life | {"floor_minor": east - fall}),
        Sold("city", A_CITY, 10, 10**9, city),
    )
    audited(*sold)
    _, (items, compared, until) = menus_beside(*sold, amount=500_000 - fall, hours=hours)
    menu._refuse_undercut(items, compared, PRICED_AT)
    with pytest.raises(Conflict, match=r"Not listed: city .* but who buys .*west .* UTC\).* on 2026-11-2[45]"):
        menu._refuse_undercut(items, compared, PRICED_AT, until=until)


def menus_beside(*sold: Sold, amount: int = 10**9, hours: int = 1) -> list[tuple[list[menu.Item], menu._Compared, int]]:
    """Return the menu of these weeks, and that of a partner that holds the first of them at a price, for so many hours."""
    found: list[tuple[list[menu.Item], menu._Compared, int]] = []

    def grasp(items: Sequence[menu.Item], compared: menu._Compared) -> None:
        one = items[0]
        quote = quote_of(one, amount, hours)
        found.append((list(items), compared, 0))
        found.extend((own, compared, until) for own, _, until in menu._menus(items, [quote], PRICED_AT))

    audited(*sold, after=grasp)
    return found


def quote_of(item: menu.Item, amount: int, hours: int, partner: uuid.UUID | None = None) -> menu.HeldQuote:
    until = PRICED_AT + dt.timedelta(hours=hours)
    licence = item.usage_right, item.months, list[str](), list[str]()
    return menu.HeldQuote(partner or uuid.uuid4(), item.release.id, 0, amount, until, *licence)


@pytest.mark.parametrize(("hours", "is_refused"), [(0, True), (24 * 4, True), (24 * 12, False)])
def test_a_price_that_lapses_late_is_compared_from_when_an_earlier_one_lapses(hours: int, *, is_refused: bool) -> None:
    """West is held for thirty days. Until the city costs less than it and the east, the city is held as well, or is not."""

    def compare(items: Sequence[menu.Item], compared: menu._Compared) -> None:
        west, east, city = items
        partner = uuid.uuid4()
        quotes = [quote_of(west, west.amount_minor // 2, 24 * 30, partner)]
        quotes += [quote_of(city, east.amount_minor, hours, partner)] if hours else []
        menu._refuse_undercuts(items, quotes, compared, PRICED_AT, None)

    half_life = {"half_life_days": 200}
    sold = (
        Sold("west", WEST, 10, 10_000_000, half_life),
        Sold("east", EAST, 10, 10_000_000, half_life),
        Sold("city", A_CITY, 10, 15_000_000, {"half_life_days": 20, "floor_minor": 7_000_000}),
    )
    with pytest.raises(Conflict, match="Not listed: city") if is_refused else contextlib.nullcontext():
        audited(*sold, after=compare)


@pytest.mark.parametrize(("half_life", "is_refused"), [(5, True), (40, False)])
async def test_a_held_part_is_compared_while_its_whole_stays_at_its_cap(half_life: int, *, is_refused: bool) -> None:
    """Of one dataset: what is left of the week leaves its cap within the thirty days, or does not."""
    await open_catalogue("city", half_life_days=half_life)
    parts = [await make_span("city", len(ZONES), first, days) for first, days in ((0, 7), (0, 3), (3, 4))]
    await sell_up_to(300_000)
    await actions.quote(await make_vetted_partner(), parts[1], quote_id=uuid.uuid4(), is_held=True)
    if is_refused:
        with pytest.raises(Conflict, match=r"Not listed: city .* but who buys city .*, city .* on \d{4}-"):
            await sell_up_to(1_000_000)
    else:
        await sell_up_to(1_000_000)


async def sell_up_to(cap: int) -> None:
    await actions.list_offer("city", terms="standard-1", full_worth_minor=8_000_000, floor_minor=1, cap_minor=cap)
