"""Datasets that count the same cells are compared, however they are declared, and a promise to contributors raises them alike."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from typing import Any

import h3
import pytest

from marketplace.catalogue.offers import actions, menu
from marketplace.core import clock
from marketplace.core.database import transaction
from marketplace.core.errors import Conflict
from marketplace.datasets.pictures import published_cells
from tests.catalogue.builders import (
    DAY,
    PARTS,
    PRICED_AT,
    RELEASE_FIGURES,
    WEST,
    amounts_of,
    last_midnight,
    list_offer,
    make_span,
    open_catalogue,
    open_parts,
    price_of,
    promise_contributors,
    seal_week,
)
from tests.datasets.builders import BANDS, RESOLUTION, ZONES
from tests.support.reads import fetch


@pytest.mark.parametrize(
    ("declared", "of_west"),
    [
        ({}, {"age_bands": list(BANDS)[::-1]}),
        ({"product": "flows"}, {"age_bands": ["adults"]}),
        ({"product": "stays"}, {"age_bands": ["adults"]}),
        ({"time_zone": "Europe/Paris"}, {"time_zone": "Europe/Brussels"}),
    ],
)
async def test_a_part_declared_otherwise_is_a_part(declared: dict[str, Any], of_west: dict[str, Any]) -> None:
    for code, zones, more in (("city", list(ZONES), {}), ("west", WEST, of_west)):
        await open_catalogue(code, zones=zones, **declared | more)
        await actions.withdraw_offer(code)
        midnight = last_midnight() - dt.timedelta(hours="time_zone" in declared)  # in winter
        week: dict[str, Any] = {"period_from": midnight - 7 * DAY, "period_to": midnight, "latest_event_at": midnight}
        if declared.get("product") == "flows":
            rows = all_pairs(zones, more.get("age_bands", list(BANDS)), week["period_from"])
            week |= {"rows": rows, "by_day": True, "key_count": len(rows), "row_count": len(rows)}
        await make_span(code, len(zones), 0, 7, **week)
    await list_offer("city", 2_000_000, worth_days=7)
    with pytest.raises(Conflict, match=r"^Not listed: west .* but who buys city "):
        await list_offer("west", 10_000_000, worth_days=7)


def all_pairs(zones: list[str], bands: list[str], start: dt.datetime) -> list[dict[str, Any]]:
    """Return the cells of a week of flows between all zones."""
    return [
        {"zone": f"{one}>{other}", "starts_at": start + day * DAY, "segment": band, "people": 400, "events": 900}
        for one, other in itertools.product(zones, repeat=2)
        for day in range(7)
        for band in bands
    ]


async def test_days_of_other_time_zones_are_other_cells() -> None:
    for code, zones, time_zone in (("city", list(ZONES), "Europe/Paris"), ("west", WEST, "Europe/London")):
        await open_catalogue(code, zones=zones, time_zone=time_zone)
        await actions.withdraw_offer(code)
        await make_span(code, len(zones), 0, 7)
    await list_offer("city", 2_000_000, worth_days=7)
    await list_offer("west", 10_000_000, worth_days=7)


@pytest.mark.parametrize("code", PARTS)
async def test_a_promise_begins_and_ends_and_no_part_costs_more_than_its_whole(code: str) -> None:
    await open_parts()
    await promise_contributors(code, 90)
    for later in (0, 20, 45, 80, 89, 91, 120):
        with clock.shifted(later * DAY):
            city, west, east = [(await amounts_of(each))[0] for each in PARTS]
            assert max(west, east) <= city <= west + east
            assert (city == west == east) == (later in {80, 89}), "each as much as the promise asks for"


async def test_meanwhile_releases_are_published_and_demand_moves() -> None:
    await open_parts()
    for later in (0, 80, 91):
        with clock.shifted(later * DAY):
            if not later:
                await promise_contributors("west", 90)
            async with transaction():
                await menu.audit_published("city", clock.now())
            for code, multiplier in {"city": 9_700, "west": 10_300, "east": 10_300}.items():
                assert await menu.may_post(code, multiplier, clock.now())


async def sell_zones(code: str, *zones: str) -> None:
    """Sell a week of some zones for as much as each is worth, of which the floor is all after eighty days."""
    await open_catalogue(code, zones=list(zones))
    await actions.withdraw_offer(code)
    await make_span(code, len(zones), 0, 7)
    await list_offer(code, 10_000 * len(zones))


async def raised() -> set[str]:
    """Return the datasets whose latest week costs what a promise asks for."""
    codes = await fetch("SELECT code FROM dataset")
    return {row["code"] for row in codes for amount in await amounts_of(row["code"]) if amount == 902_309}


async def test_a_promise_raises_nothing_that_lies_elsewhere() -> None:
    near, apart, further = [min(h3.grid_ring(ZONES[0], steps)) for steps in (0, 40, 80)]
    beside = min(h3.grid_ring(near, 1))
    await sell_zones("west", near)
    await sell_zones("apart", apart)
    await sell_zones("beside", beside)
    with clock.shifted(80 * DAY):
        await promise_contributors("west", 90)
        assert await raised() == {"west"}
        await sell_zones("both", near, apart)
        assert await raised() == {"west", "both", "apart"}, "by way of what lies with both"
        await sell_zones("further", further)
        assert await raised() == {"west", "both", "apart"}
        await actions.withdraw_offer("both")
        assert await raised() == {"west"}, "what nobody may buy leads nowhere"
        await open_catalogue("empty", zones=[near, apart])
        assert await raised() == {"west"}, "nor what has no release"


async def test_nor_does_one_of_a_dataset_without_a_release() -> None:
    near, apart = [min(h3.grid_ring(ZONES[0], steps)) for steps in (0, 40)]
    await sell_zones("apart", apart)
    await open_catalogue("west", zones=[near])
    with clock.shifted(80 * DAY):
        await promise_contributors("west", 90)
        assert await raised() == set()


async def test_a_parents_zones_are_all_that_lie_in_it() -> None:
    parent = h3.cell_to_parent(min(h3.grid_ring(ZONES[0], 40)), RESOLUTION - 1)
    first, second, *_ = sorted(h3.cell_to_children(parent, RESOLUTION))
    await sell_zones("one", first)
    await sell_zones("other", second)
    await sell_zones("whole", parent)
    await sell_zones("west", ZONES[0])
    with clock.shifted(80 * DAY):
        await promise_contributors("one", 90)
        assert await raised() == {"whole", "one", "other"}


@pytest.mark.parametrize("time_zone", ["Asia/Almaty", "Asia/Qyzylorda"])
async def test_days_are_compared_once_clocks_are_the_same(time_zone: str) -> None:
    """Kazakhstan has one time since 1 March 2024."""
    midnight = last_midnight() - dt.timedelta(hours=5)
    week = {"period_from": midnight - 7 * DAY, "period_to": midnight, "latest_event_at": midnight}
    for code, zones, its in (("city", list(ZONES), time_zone), ("west", WEST, "Asia/Aqtobe")):
        await open_catalogue(code, zones=zones, time_zone=its)
        await actions.withdraw_offer(code)
        await make_span(code, len(zones), 0, 7, **week)
    await list_offer("city", 2_000_000, worth_days=7)
    with pytest.raises(Conflict, match=r"^Not listed: west .* but who buys city "):
        await list_offer("west", 10_000_000, worth_days=7)


async def test_a_refusal_during_a_promise_says_that_its_prices_are_without_it() -> None:
    await open_parts()
    await promise_contributors("west", 90, cents=3_000_000)
    with pytest.raises(Conflict, match=r"^Not listed: were contributors promised nothing, west .* but who buys city "):
        await list_offer("west", 10_000_000)


def test_all_prices_change_together_each_hour() -> None:
    """Of days that end at the half of an hour, too: or a menu that is audited at one minute is another at the next."""
    minute, bounds = dt.timedelta(minutes=1), ("period_from", "period_to", "latest_event_at")
    whole, half = [
        [
            price_of(
                {one: RELEASE_FIGURES[one] + later for one in bounds}, now=PRICED_AT + number * minute
            ).amount_minor
            for number in range(150)
        ]
        for later in (dt.timedelta(), 30 * minute)
    ]
    assert {number for number in range(1, 150) if whole[number] != whole[number - 1]} == {60, 120}
    assert {number for number in range(1, 150) if half[number] != half[number - 1]} == {60, 120}


@pytest.mark.parametrize(
    ("declared", "terms"),
    [
        ({"sectors": ["research"]}, {}),
        ({}, {"purposes": ["ImprovePublicServices"]}),
        ({}, {"countries": ["FR"]}),
    ],
)
@pytest.mark.parametrize("is_for_all", [True, False])
async def test_what_nobody_may_buy_instead_may_cost_less(
    declared: dict[str, Any],
    terms: dict[str, Any],
    is_for_all: bool,  # noqa: FBT001 (a case)
) -> None:
    """The other one is for other buyers or uses alone; where it is for all, some may buy either."""
    own = {"sectors": ["public"], "purposes": ["PublicPolicyMaking"], "countries": ["DE"]}
    words = {"months": 12, "lines_fr": "a\nb\nc\nd\ne", "lines_en": "v\nw\nx\ny\nz"}
    await open_catalogue("first")
    await actions.withdraw_offer("first")
    await actions.define_terms("theirs-1", **words | terms)
    of_other = {} if is_for_all else {name: own[name] for name in declared | terms}
    await actions.define_terms("own-1", **words | {name: one for name, one in of_other.items() if name in terms})
    for code, one in (("dear", declared), ("cheap", {name: one for name, one in of_other.items() if name in declared})):
        await open_catalogue(code, **one)
        await actions.withdraw_offer(code)
        await make_span(code, len(ZONES), 0, 7)
    whole = {"floor_minor": 1, "cap_minor": 10**11, "worth_days": 7}
    await actions.list_offer("dear", terms="theirs-1", full_worth_minor=10_000_000, **whole)
    with pytest.raises(Conflict, match="has as much for") if is_for_all else contextlib.nullcontext():
        await actions.list_offer("cheap", terms="own-1", full_worth_minor=4_000_000, **whole)


@pytest.mark.parametrize("band", BANDS)
async def test_files_are_compared_in_one_order_of_bands(band: str) -> None:
    """Of a dataset whose file was read beside another one of its own order, too. `west` publishes the first band alone."""
    published_cells._known.cache_clear()
    for code, order, one in (("city", BANDS, band), ("other", BANDS, band), ("west", BANDS[::-1], BANDS[0])):
        await open_catalogue(code, zones=sorted(ZONES), age_bands=list(order))
        await actions.withdraw_offer(code)
        start = last_midnight() - 7 * DAY
        rows = [
            {"zone": zone, "starts_at": start + day * DAY, "segment": one, "people": 400, "events": 900}
            for zone in sorted(ZONES)
            for day in range(7)
        ]
        await seal_week(code, rows=rows, by_day=True, row_count=len(rows), consenting=9_000, population=10_000)
    await list_offer("city", 2_000_000, worth_days=7)
    await list_offer("other", 2_000_000, worth_days=7)
    await actions.withdraw_offer("other")
    with pytest.raises(Conflict, match="but who buys city ") if band == BANDS[0] else contextlib.nullcontext():
        await list_offer("west", 20_000_000, worth_days=7)
