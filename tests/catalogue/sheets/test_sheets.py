"""A market's sheet is stated from a file of public constants, versioned, and gives each sealed release its points."""

import datetime as dt
import json
import uuid

import asyncpg
import pytest
from msgspec import structs

from marketplace.catalogue.offers.actions import price_now
from marketplace.catalogue.offers.queries import list_priced_releases
from marketplace.catalogue.offers.stated import state_sheet
from marketplace.catalogue.sheets import rules
from marketplace.catalogue.sheets.actions import count_points, define_sheet, state_law, state_version
from marketplace.catalogue.sheets.queries import get_law, get_version, list_points, list_versions
from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.people.identity.actors import Actor
from marketplace.privacy.geography import H3
from marketplace.privacy.key_set import area_of
from pricing.sheet import Law
from tests.catalogue.builders import open_catalogue, seal_week
from tests.datasets.builders import BANDS, RESOLUTION, ZONES
from tests.support.reads import fetch_one, fetch_value

STEWARD = Actor(name="Camille", role="steward")
HEADER = "zone,weight,people,group"


def constants(*, weight: int = 100, zones: tuple[str, ...] = ZONES) -> bytes:
    return "\n".join([HEADER, *(f"{zone},{weight},5000,lyon" for zone in zones)]).encode()


def lyon_sheet(*, weight: int = 100, zones: tuple[str, ...] = ZONES) -> rules.Document:
    """Return a sheet of the zones of `lyon`, whose every segment is half of a zone's people."""
    return rules.Document(
        zones=rules.read_constants(constants(weight=weight, zones=zones), H3, RESOLUTION),
        segments=dict.fromkeys(BANDS, (1, 500000)),
        worth_micro=20_000_000,
        half_life_hours=720,
        rights={"internal": 6_000, "publish": 8_000},
        purposes={"planning": 5_000},
    )


async def define() -> str:
    titles = ("Présence", "Presence")
    return await define_sheet(
        "presence-day",
        product="presence",
        grain="day",
        zone_table=None,
        h3_resolution=RESOLUTION,
        titles=titles,
        currency="EUR",
    )


def test_constants_are_read_and_a_bad_row_is_named() -> None:
    zones = rules.read_constants(constants(), H3, RESOLUTION)
    assert zones[ZONES[0]] == (100, 5_000, area_of(ZONES[0]), "lyon")
    for row, why in (
        ("nowhere,100,5000,lyon", "Row 2: nowhere is no zone of this sheet."),
        (f"{ZONES[0]},0,5000,lyon", "Row 2: weight and people are whole numbers of at least 1."),
        (f"{ZONES[0]},100,many,lyon", "Row 2: weight and people are whole numbers of at least 1."),
        (f"{ZONES[0]},100,5000,", "Row 2: a group has a name of 60 signs at most."),
        (f"{ZONES[0]},1,1,a\n{ZONES[0]},1,1,a", f"Row 3: the zone {ZONES[0]} is there twice."),
    ):
        with pytest.raises(Invalid) as refused:
            rules.read_constants(f"{HEADER}\n{row}".encode(), H3, RESOLUTION)
        assert str(refused.value) == why
    for file, why in (
        (b"zone,weight\n", "The file has no column group."),
        (b"\xff\xfe", "The file is no CSV in UTF-8."),
    ):
        with pytest.raises(Invalid, match=why):
            rules.read_constants(file, H3, RESOLUTION)


def test_a_document_is_read_as_it_was_written() -> None:
    assert rules.read(rules.write(lyon_sheet())) == lyon_sheet()


async def test_a_version_is_in_force_from_its_start_and_never_changes() -> None:
    sheet, first, second = await define(), uuid.uuid4(), uuid.uuid4()
    with pytest.raises(NotFound, match="not in force"):
        await get_version(sheet, clock.now())
    for _ in range(2):
        await state_version(sheet, lyon_sheet(), STEWARD, version=first)
    await state_version(sheet, lyon_sheet(weight=120), STEWARD, version=second)
    assert [one.number for one in await list_versions(sheet)] == [2, 1]
    assert (await get_version(sheet, clock.now())).id == second
    with pytest.raises(Invalid, match="now or later"):
        await state_version(
            sheet, lyon_sheet(), STEWARD, version=uuid.uuid4(), starts_at=clock.now().replace(year=2020)
        )
    with pytest.raises(Conflict, match="another market"):
        await define_sheet(
            sheet, product="presence", grain="hour", zone_table=None, h3_resolution=7, titles=("a", "a"), currency="EUR"
        )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await execute("UPDATE sheet_version SET number = 3")


async def test_a_law_of_volume_is_in_force_from_its_start() -> None:
    law = Law(currency="EUR", volume=((0, 10_000), (100_000, 8_000)), least_minor=5_000)
    await state_law(law, STEWARD, law_id=uuid.uuid4())
    assert await get_law("EUR", clock.now()) == law
    with pytest.raises(NotFound):
        await get_law("CHF", clock.now())


async def test_a_sealed_release_has_points_of_what_it_publishes() -> None:
    await open_catalogue()
    release = await seal_week(by_day=True)
    sheet = await define()
    await state_version(sheet, lyon_sheet(), STEWARD, version=uuid.uuid4())
    assert await count_points(sheet, ["lyon"], clock.now()) == 1
    assert await count_points(sheet, ["lyon"], clock.now()) == 0
    row = await fetch_one(
        "SELECT release_points.* FROM release_points JOIN sheet_version ON sheet_version.id = version WHERE sheet = $1",
        sheet,
    )
    assert row["release"] == release
    spans = json.loads(row["spans"])
    assert {group for _, _, group, _ in spans} == {"lyon"}
    declared, published, covered, accurate, even = row["stages"]
    assert declared >= published >= covered >= accurate >= even > 0
    published_cells = await fetch_value("SELECT row_count FROM release")
    assert 0 < sum(points for *_, points in spans) <= 100 * published_cells


async def test_a_figure_counts_by_the_constants_of_its_day_in_every_dataset_and_never_again() -> None:
    """Else each version would give one more sum of the same figures, and enough of them name the withheld ones."""
    await open_catalogue()
    early = await seal_week(weeks_ago=1, by_day=True)
    sheet = await define()
    await state_version(sheet, lyon_sheet(), STEWARD, version=uuid.uuid4())
    assert await count_points(sheet, ["lyon"], clock.now()) == 1
    await state_version(sheet, lyon_sheet(weight=200), STEWARD, version=uuid.uuid4())
    assert await count_points(sheet, ["lyon"], clock.now()) == 0
    late = await seal_week(by_day=True)
    assert await count_points(sheet, ["lyon"], clock.now()) == 1, "its days too began before the second version"
    points = await list_points([sheet], [early, late])
    assert points[sheet, early, 0].stages == points[sheet, late, 0].stages
    with clock.shifted(dt.timedelta(days=14)):
        new = await seal_week(by_day=True)
        assert await count_points(sheet, ["lyon"], clock.now()) == 1
    counted = (await list_points([sheet], [new]))[sheet, new, 0]
    assert counted.stages[0] == 2 * points[sheet, early, 0].stages[0]


def test_a_zone_that_its_days_constants_lack_has_those_it_was_given_nearest() -> None:
    first, second, third = (lyon_sheet(zones=ZONES[:at], weight=weight) for at, weight in ((1, 10), (2, 20), (3, 30)))
    stated = [rules.Stated(at, one) for at, one in ((100, first), (200, second), (300, third))]
    for begins, weights in ((0, [10, 20, 30]), (100, [10, 20, 30]), (250, [20, 20, 30]), (300, [30, 30, 30])):
        zones = rules.constants_of(stated, begins, frozenset(ZONES[:3])).zones
        assert [zones[name][0] for name in ZONES[:3]] == weights, begins
    assert list(rules.constants_of(stated, 0, frozenset(ZONES[:2])).zones) == list(ZONES[:2]), "none that nobody needs"


async def test_a_release_that_covers_a_part_of_an_area_has_no_place_on_a_sheet() -> None:
    await open_catalogue()
    await seal_week(by_day=True)
    sheet = await define()
    more = tuple(sorted({*ZONES, *H3.below(area_of(ZONES[0]), RESOLUTION)}))
    await state_version(sheet, lyon_sheet(zones=more), STEWARD, version=uuid.uuid4())
    with pytest.raises(Invalid, match="whole areas"):
        await count_points(sheet, ["lyon"], clock.now())


async def test_a_sheet_stated_anew_prices_what_is_on_sale_from_its_start_on() -> None:
    await open_catalogue()
    release = await seal_week(by_day=True)
    [row] = await list_priced_releases([release])
    before = await price_now(row, now=clock.now())
    dearer = structs.replace(lyon_sheet(weight=300), worth_micro=40_000_000)
    with pytest.raises(Invalid, match="no zone"):
        await state_sheet("sheet-lyon", lyon_sheet(zones=ZONES[1:]), STEWARD, version=uuid.uuid4())
    await state_sheet("sheet-lyon", dearer, STEWARD, version=uuid.uuid4(), starts_at=clock.now() + dt.timedelta(days=2))
    assert (await price_now(row, now=clock.now())).lots == before.lots
    with clock.shifted(dt.timedelta(days=3)):
        later = await price_now(row, now=clock.now())
    assert later.lots[0].points == before.lots[0].points, "its days are over"
    assert later.lots[0].terms.worth_micro == 40_000_000 != before.lots[0].terms.worth_micro
    assert later.lots[0].terms.sheet != before.lots[0].terms.sheet
