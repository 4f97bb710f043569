"""Nothing on a menu may be had for less by buying other things on it: what is listed is audited, and refused with the way."""

from __future__ import annotations

import contextlib
import datetime as dt
import uuid
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest

from marketplace.catalogue.offers import actions, menu, rules
from marketplace.core import clock, object_store
from marketplace.core.errors import Conflict
from marketplace.datasets.releases import queries
from marketplace.datasets.releases.tables import Edition
from pricing import menus
from tests.attacks.weeks_on_sale import A_CITY, EAST, WEST, Sold, audited
from tests.catalogue.builders import (
    DAY,
    OFFER_TERMS,
    PRICED_AT,
    amounts_of,
    last_midnight,
    list_offer,
    make_span,
    make_vetted_partner,
    open_catalogue,
    priced_release,
    seal_week,
)
from tests.datasets.builders import BANDS, ZONES, stated_days

if TYPE_CHECKING:
    from collections.abc import Sequence


async def make_level(release: uuid.UUID, level: int, cells: int) -> None:
    """Write a coarser edition of a release down."""
    row = await queries.get_release(release)
    zones = len(await queries.key_zones(row.dataset))
    await Edition(
        id=uuid.uuid4(),
        release=release,
        level=level,
        variance_multiple=1 + level,
        noise_variance_micro=(1 + level) * 9_000_000,
        threshold=20,
        row_count=cells,
        **stated_days(row.period_from, row.period_to, cells, zones=zones),
        error_people=40,
        cells_sha256="00",
    ).save()


async def test_an_offer_that_can_be_undercut_is_refused_with_the_cheapest_way() -> None:
    """Zones: a part dearer than its city, then a city dearer than its two parts; each is named, neither is listed."""
    parts = {"city": ZONES, "west": ZONES[:3], "east": ZONES[3:]}
    for code, zones in parts.items():
        await open_catalogue(code, zones=list(zones))
        await make_span(code, len(zones), 0, 7)
        await list_offer(code, 1_000_000 * len(zones))
    with pytest.raises(Conflict, match=r"Not listed: west .* would cost .* but who buys city .* has as much for"):
        await list_offer("west", 1_100_000 * len(ZONES))
    with pytest.raises(Conflict, match=r"Not listed: city .* would cost .* but who buys (east|west) .*, (east|west) "):
        await list_offer("city", 1_300_000 * len(ZONES))
    before = await amounts_of("city")
    with pytest.raises(Conflict, match="Not listed"):
        await list_offer("city", 1_400_000 * len(ZONES))
    assert await amounts_of("city") == before, "a refused offer changes nothing"


async def test_a_city_of_which_one_part_alone_is_published_does_not_undercut_that_part() -> None:
    """It holds just what the part does: neither is listed for less than the other, a zone."""
    west = len(ZONES) // 2
    for code, zones in (("city", ZONES), ("west", ZONES[:west])):
        await open_catalogue(code, zones=list(zones))
        by_zone = [7 * len(BANDS) * (zone in ZONES[:west]) for zone in sorted(zones)]
        by_day = [cells // 7 for cells in by_zone for _ in range(7)]
        days = {"hours_by_day": [24] * 7, "published_by_day": [sum(by_zone) // 7] * 7, "published_by_zone": by_day}
        await make_span(code, len(zones), 0, 7, row_count=sum(by_zone), **days)
        await list_offer(code, 3_000_000 * len(zones))
    with pytest.raises(Conflict, match=r"Not listed: west .* would cost .* but who buys city .* has as much for"):
        await list_offer("city", 2_700_000 * len(ZONES))
    with pytest.raises(Conflict, match=r"Not listed: city .* would cost .* but who buys west .* has as much for"):
        await list_offer("west", 2_700_000 * west)


def test_zones_that_are_published_on_other_days_are_compared_day_by_day() -> None:
    """Offices on weekdays, parks at weekends: the parts hold the city's very cells, and are not had for less."""
    offices, parks = [10, 10, 10, 10, 10, 4, 4], [6, 6, 6, 6, 6, 10, 10]
    city = Sold("city", A_CITY, [offices] * 5 + [parks] * 5, 20_000_000)

    def parts(share: float) -> tuple[Sold, Sold]:
        west = Sold("west", A_CITY[:5], [offices] * 5, round(10_000_000 * share))
        return west, Sold("east", A_CITY[5:], [parks] * 5, round(10_000_000 * share))

    audited(city, *parts(1.001))
    for share in (0.98, 0.9, 0.5, 0.05):
        with pytest.raises(Conflict, match=r"Not listed: city .* but who buys (east|west) .*, (east|west) "):
            audited(city, *parts(share))


def test_halves_of_one_key_set_are_not_each_other() -> None:
    """Two datasets of the same zones: two releases that share no cell compete with nothing, and together are the whole."""
    west = np.array([[10] * 7] * 5 + [[0] * 7] * 5)
    audited(Sold("one", A_CITY, west, 10_000_000), Sold("other", A_CITY, west[::-1], 2_000_000))
    for share, is_listed in ((1.001, True), (0.95, False), (0.3, False)):
        halves = [Sold("other", A_CITY, half, round(10_000_000 * share)) for half in (west, west[::-1])]
        refused = contextlib.nullcontext() if is_listed else pytest.raises(Conflict, match="Not listed: one")
        with refused:
            audited(Sold("one", A_CITY, 10, 10_000_000), *halves)


@pytest.mark.parametrize("share", [0.99, 0.92, 0.5])
def test_releases_that_publish_one_area_by_turns_are_the_whole_together(share: float) -> None:
    """Zone and day about, as the black and the white squares of a board: each publishes a half of each day, and of each zone."""
    black = np.add.outer(np.arange(10), np.arange(7)) % 2 * 10
    whole = Sold("whole", A_CITY, 10, 10_000_000)
    audited(whole, *(Sold(name, A_CITY, of, 10_100_000) for name, of in (("black", black), ("white", 10 - black))))
    with pytest.raises(Conflict, match=r"Not listed: whole .* but who buys (black|white) .*, (black|white) "):
        halves = (("black", black), ("white", 10 - black))
        audited(whole, *(Sold(name, A_CITY, of, round(10_000_000 * share)) for name, of in halves))


def test_two_parts_are_not_below_their_city_for_some_days_to_come_alone() -> None:
    """They would be for five days, in three months, until the city is at its floor."""

    def weeks(part: int) -> tuple[Sold, ...]:
        city = Sold("city", A_CITY, 10, 30_000_000, {"half_life_days": 40, "floor_minor": 4_500_000})
        terms = {"half_life_days": 30, "floor_minor": 2_300_000}
        return city, Sold("west", WEST, 10, part, terms), Sold("east", EAST, 10, part, terms)

    audited(*weeks(29_000_000))
    with pytest.raises(
        Conflict,
        match=r"Not listed: city .* but who buys (east|west) .*, (east|west) .* on \d{4}-\d\d-\d\d \d\d:\d\d UTC",
    ):
        audited(*weeks(25_000_000))


def test_flows_of_two_parts_are_not_those_of_their_city() -> None:
    """Half of a city's pairs of zones are in neither part: it may cost twice what both do, and no less than either."""
    cells = 10 * len(A_CITY)
    parts = (Sold("west", A_CITY[:5], cells // 2, 10_000_000), Sold("east", A_CITY[5:], cells // 2, 10_000_000))
    audited(Sold("city", A_CITY, cells, 40_000_000), *parts, between=True)
    with pytest.raises(Conflict, match=r"Not listed: (west|east) .* but who buys city"):
        audited(Sold("city", A_CITY, cells, 9_000_000), *parts, between=True)


@pytest.mark.parametrize(("slow", "fast"), [(200, 100), (120, 40), (400, 100), (5, 2), (60, 20)])
def test_no_price_meets_its_floor_beside_a_better_one_that_goes_on_falling(slow: int, fast: int) -> None:
    """What ages faster is better and at first dearer: between two days that are looked at it may become the cheaper one."""
    worse = {"half_life_days": slow, "floor_minor": 100_000}
    better = {"half_life_days": fast, "floor_minor": 50_000}
    with pytest.raises(Conflict, match=r"Not listed: worse .* but who buys better .* on \d{4}-\d\d-\d\d \d\d:\d\d UTC"):
        audited(Sold("worse", A_CITY, 9, 10_000_000, worse), Sold("better", A_CITY, 10, 40_000_000, better))
    better["half_life_days"] = slow
    audited(
        Sold("worse", A_CITY, 9, 10_000_000, worse),
        Sold("better", A_CITY, 10, 40_000_000, better | {"floor_minor": 100_000}),
    )


def test_a_bundle_beside_them_does_not_hide_that_one_is_had_for_less() -> None:
    """Nearly as full a west at two fifths: a third offer a hundredth below it ended the comparison before a tenth was tried."""
    west = Sold("west", WEST, 500, 20_000_000, declared=1_000)
    cheap = Sold("cheap", WEST, 480, 8_000_000, declared=1_000)
    further = [*WEST, *(f"further {number}" for number in range(5))]
    cells = np.array([[200] * 7] * 5 + [[500] * 7] * 5)
    bundle = Sold("bundle", further, cells, round(9_950_000 / 0.35), declared=1_000)
    for menu_ in ((west, cheap), (west, cheap, bundle)):
        with pytest.raises(Conflict, match=r"Not listed: west .* but who buys cheap"):
            audited(*menu_)


@pytest.mark.parametrize("cells", [500, 498, 490])
@pytest.mark.parametrize("half_life", [40, 60])
def test_a_city_that_is_a_shade_emptier_is_compared_at_its_floor_as_well(cells: int, half_life: int) -> None:
    """Between two of the days that are looked at the whole city costs half of its west, of as many cells but for a few."""
    west = Sold("west", WEST, 500, 20_000_000, {"half_life_days": 150, "floor_minor": 100}, 1_000)
    floor = 300_000 if half_life == 40 else 50_000
    city = {"half_life_days": half_life, "floor_minor": floor}
    with pytest.raises(Conflict, match=r"Not listed: west .* but who buys city .* on \d{4}-\d\d-\d\d \d\d:\d\d UTC"):
        audited(west, Sold("city", A_CITY, cells, 4_000_000_000, city, 1_000))


@pytest.mark.parametrize("share", [0.9, 0.3, 0.05])
def test_flows_of_a_city_that_may_be_just_those_of_its_parts_cost_no_less_than_one(share: float) -> None:
    """Half of each zone's pairs are published: those that stay in its part, for all that the audit knows."""
    parts = (Sold("west", WEST, 50, 10_000_000), Sold("east", EAST, 50, 10_000_000))
    with pytest.raises(Conflict, match=r"Not listed: (west|east) .* but who buys city"):
        audited(Sold("city", A_CITY, 50, round(share * 20_000_000)), *parts, between=True)
    audited(Sold("city", A_CITY, 50, 40_000_000), *parts, between=True)


WITHIN = [(one, other) for half in (ZONES[:3], ZONES[3:6]) for one in half for other in half]
CITY = [(one, other) for one in ZONES[:6] for other in ZONES[:6]]


@pytest.mark.parametrize(
    ("published", "share", "refused"),
    [
        (WITHIN, 1.0, ""),
        (WITHIN, 0.9, r"Not listed: city .* but who buys (east|west) .*, (east|west) "),
        (WITHIN, 2.2, r"Not listed: (east|west) .* but who buys city"),
        (CITY, 0.9, ""),
        (CITY, 4.4, r"Not listed: (east|west) .* but who buys city"),
    ],
    ids=["those of its parts", "parts too cheap", "parts too dear", "all", "all, parts too dear"],
)
async def test_flows_are_compared_by_which_pairs_are_published(
    published: Sequence[tuple[str, str]], share: float, refused: str
) -> None:
    """A city that publishes just the pairs of its two parts holds what they do: its files say which pairs it has."""
    parts = {"city": ZONES[:6], "west": ZONES[:3], "east": ZONES[3:6]}
    for code, zones in parts.items():
        await open_catalogue(code, zones=sorted(zones), product="flows")
        await actions.withdraw_offer(code)
    for code, zones in parts.items():
        pairs = [pair for pair in published if set(pair) <= set(zones)]
        start = last_midnight() - 7 * DAY
        cells = [
            {"zone": f"{one}>{other}", "starts_at": start + day * DAY, "segment": band, "people": 400, "events": 900}
            for one, other in pairs
            for day in range(7)
            for band in BANDS
        ]
        row = {"key_count": 7 * len(zones) ** 2 * len(BANDS), "row_count": len(cells), "period_from": start}
        people = {"consenting": 9_000 * len(zones), "population": 10_000 * len(zones)}
        await seal_week(code, rows=cells, by_day=True, **people, **row)
    with contextlib.nullcontext() if not refused else pytest.raises(Conflict, match=refused):
        for code, zones in parts.items():
            await list_offer(code, round(1_000_000 * len(zones) ** 2 * (share if code != "city" else 1)), worth_days=7)


@pytest.mark.parametrize("damage", ["cut", "empty", "gone"])
async def test_a_damaged_file_of_flows_keeps_nothing_from_being_listed(damage: str) -> None:
    """It counts as one that publishes all alike."""
    for code, zones in (("city", ZONES[:6]), ("west", ZONES[:3])):
        await open_catalogue(code, zones=sorted(zones), product="flows")
        await actions.withdraw_offer(code)
        rows = [
            {
                "zone": f"{one}>{one}",
                "starts_at": last_midnight() - DAY,
                "segment": BANDS[0],
                "people": 400,
                "events": 900,
            }
            for one in zones
        ]
        release = await seal_week(code, rows=rows, by_day=True, row_count=len(rows))
        key = object_store.cells_key(release)
        whole = await object_store.get(key)
        if damage == "gone":
            await object_store.delete(key)
        else:
            await object_store.put(key, whole[: len(whole) // 2] if damage == "cut" else b"")
    for code, zones in (("city", ZONES[:6]), ("west", ZONES[:3])):
        await list_offer(code, 1_000_000 * len(zones) ** 2)


@pytest.mark.parametrize(("some", "others"), [(45, 90), (88, 90), (45, 40)])
def test_flows_of_the_same_zones_are_compared_by_how_many_are_published(some: int, others: int) -> None:
    """Half of the zones publish none: what the others publish is not in each half of where it may go."""
    cells = [[[number] * 7] * 5 + [[0] * 7] * 5 for number in (some, others)]
    audited(*(Sold(str(number), A_CITY, of, 10_000_000) for number, of in enumerate(cells)), between=True)


def test_where_releases_make_too_many_areas_products_alone_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    west = np.array([[10] * 7] * 5 + [[0] * 7] * 5)
    sold = Sold("one", A_CITY, west, 10_000_000), Sold("other", A_CITY, west[::-1], 2_000_000)
    audited(*sold)
    monkeypatch.setattr(menus, "MOST_PARTS", 20)
    with pytest.raises(Conflict, match=r"Not listed: one .* but who buys other"):
        audited(*sold)
    monkeypatch.setattr(menus, "MOST_PARTS", 10)
    with pytest.raises(Conflict, match="too many releases over the same days"):
        audited(*sold)


def test_many_patterns_do_not_make_two_halves_the_same() -> None:
    """Weeks of a third dataset that withhold zones at random: more areas than are compared by release."""
    west = np.array([[10] * 7] * 5 + [[0] * 7] * 5)
    rng = np.random.default_rng(1)
    patterns = [np.repeat((rng.random(10) < 0.7) * 10, 7).reshape(10, 7) for _ in range(8)]
    others = [Sold(f"third {number}", A_CITY, of, 9_000_000) for number, of in enumerate(patterns)]
    halves = Sold("one", A_CITY, west, 10_000_000), Sold("other", A_CITY, west[::-1], 8_000_000)
    audited(*halves)
    audited(*halves, *(one._replace(worth=10_000_000) for one in others))


def test_editions_of_a_sparse_dataset_are_compared_by_its_own_noise() -> None:
    """Beside a crowded one its coarser edition would seem as good as the finer one, at half of its price."""
    sparse = Sold("east", EAST, 10, 10_000_000, people=1_000, noise=100)
    audited(sparse)
    audited(sparse, Sold("west", WEST, 10, 10_000_000, people=1_000_000, noise=100))


async def test_no_demand_is_posted_that_undercuts_on_a_day_to_come() -> None:
    """Today the halves cost more than their city; before it is at its floor, they would be below it together for some days."""
    half = len(ZONES) // 2
    for code, zones in (("city", ZONES[: 2 * half]), ("west", ZONES[:half]), ("east", ZONES[half : 2 * half])):
        await open_catalogue(code, zones=list(zones), half_life_days=40 if code == "city" else 30)
        await make_span(code, len(zones), 0, 7)
        is_city = code == "city"
        worth, floor = (30_000_000, 4_500_000) if is_city else (29_000_000, 2_300_000)
        await list_offer(code, worth, floor=floor, worth_days=7)
    for multiplier, is_posted in ((10_000, True), (8_000, True), (6_000, False)):
        assert await menu.may_post("west", multiplier, clock.now()) == is_posted


def test_what_has_more_parts_than_can_be_looked_at_is_refused_with_a_sentence() -> None:
    """Flows of key sets that overlap by chance: each zone is a piece of ground of its own, and each pair of them."""
    rng = np.random.default_rng(5)
    zones = [f"zone {number:03}" for number in range(300)]
    sold = [
        Sold(f"flows {number}", sorted(rng.choice(zones, 150, replace=False)), 50, 10_000_000) for number in range(10)
    ]
    with pytest.raises(Conflict, match="too many releases over the same days"):
        audited(*sold, between=True)


async def test_a_held_quote_is_on_the_menu() -> None:
    """A partner holds the finest edition's old price: an offer whose coarse edition would cost more must wait."""
    await open_catalogue("city")
    release = await make_span("city", len(ZONES), 0, 7)
    await make_level(release, 1, len(ZONES) * 7 * len(BANDS))
    await list_offer("city", 100_000_000)
    await actions.quote(await make_vetted_partner(), release, quote_id=uuid.uuid4())
    await list_offer("city", 100_000_000)
    with pytest.raises(Conflict, match=r"Not listed: city .* ± 1 would cost .* but who buys city .* UTC\) has as much"):
        await list_offer("city", 300_000_000)
    with clock.shifted(dt.timedelta(minutes=16)):
        await list_offer("city", 300_000_000)


async def test_what_the_rule_prices_is_always_listed() -> None:
    """A day, a week, half a week, again and again, with editions and floors: nothing undercuts anything."""
    await open_catalogue("city")
    for first, days in ((0, 7), (0, 1), (1, 1), (2, 1), (3, 4), (0, 3), (6, 1), (0, 7)):
        release = await make_span("city", len(ZONES), first, days)
        for level in (1, 2):
            await make_level(release, level, (10 - level) * len(ZONES) * days * len(BANDS) // 10)
    rng = np.random.default_rng(3)
    for worth in map(int, rng.integers(10_000, 10**9, 5)):
        await list_offer("city", worth, floor=int(rng.integers(1, 10**6)), worth_days=int(rng.integers(1, 31)))


@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_releases_of_any_lengths_and_starts_are_listed(seed: int) -> None:
    """Days, weeks, months and quarters, of one quality or each day its own: the audit need not search to prove it."""
    rng, items = np.random.default_rng(seed), []
    for first, days in {*zip(rng.integers(0, 90, 200).tolist(), rng.choice([1, 7, 28, 90], 200).tolist(), strict=True)}:
        start = PRICED_AT - (200 - first) * DAY
        own = {"id": uuid.uuid4(), "period_from": start, "period_to": start + days * DAY}
        cells = {"latest_event_at": start + days * DAY, "key_count": 100 * days, "row_count": 80 * days}
        if seed % 2:
            cells |= {"hours_by_day": [24] * days, "published_by_day": rng.integers(30, 101, days).tolist()}
        release = priced_release(own | cells)
        offer = msgspec.convert(OFFER_TERMS | {"floor_minor": 1, "full_worth_minor": 1_000_000}, rules.PricedOffer)
        items += list(menu._items(release, [], offer, PRICED_AT))
    compared = menu._Compared({}, [], {}, {}, 30 * menu.DAY_SECONDS)
    menu._refuse_undercut(items, compared, PRICED_AT)
