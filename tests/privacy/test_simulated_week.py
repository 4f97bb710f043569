"""A simulated week: drawn from public facts alone, with the columns and the rhythm of a release."""

import dataclasses
import datetime as dt
import hashlib
from typing import Any
from zoneinfo import ZoneInfo

import h3
import numpy as np
import pyarrow as pa
import pytest

from marketplace.privacy import simulated_week as week
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.simulated_week import MARK, NOTICE, PublicFacts, draw_week
from marketplace.privacy.specification import TO

ZONES = tuple(sorted(h3.grid_disk(h3.latlng_to_cell(45.764, 4.8357, 7), 3)))
BANDS = ("18-39", "40+")


def facts(product: str = "presence", grain: str = "day", **other: Any) -> PublicFacts:
    segments = PRODUCTS[product].segments or BANDS
    stated: dict[str, Any] = {
        "code": "lyon",
        "product": PRODUCTS[product],
        "grain": grain,
        "time_zone": "Europe/Paris",
        "segments": segments,
        "people": dict.fromkeys(ZONES, 4_000),
        "weights": dict.fromkeys(ZONES, 100),
        "shares": dict.fromkeys(segments, 1 / len(segments)),
        "middles": {zone: h3.cell_to_latlng(zone)[::-1] for zone in ZONES},
    }
    return PublicFacts(**stated | other)


def by(table: pa.Table, key: str) -> dict[Any, int]:
    """Return the people of a week by a column."""
    sums = table.group_by(key).aggregate([("people", "sum")])
    return {row[key]: row["people_sum"] for row in sums.to_pylist()}


def digest(table: pa.Table) -> str:
    return hashlib.sha256(repr(table.to_pylist()).encode()).hexdigest()


@pytest.mark.parametrize(
    ("product", "grain"), [(code, grain) for code, product in PRODUCTS.items() for grain in product.grains]
)
def test_each_product_has_a_week_with_the_columns_and_the_order_of_a_release(product: str, grain: str) -> None:
    table = draw_week(facts(product, grain))
    assert table.column_names == ["zone", "starts_at", "segment", "people", "events"]
    assert [str(field.type) for field in table.schema] == [
        "string",
        "timestamp[us, tz=UTC]",
        "string",
        "int64",
        "int64",
    ]
    rows = [tuple(row.values()) for row in table.to_pylist()]
    assert rows
    keys = [row[:3] for row in rows]
    assert keys == sorted(set(keys))
    assert {row[2] for row in rows} <= set(PRODUCTS[product].segments or BANDS)
    places = {place for row in rows for place in row[0].split(TO)}
    assert places <= set(ZONES)
    assert {row[0].count(TO) for row in rows} == {int(PRODUCTS[product].is_between_zones)}
    assert all(week.FEWEST <= people <= events for *_, people, events in rows)
    local = [row[1].astimezone(ZoneInfo("Europe/Paris")) for row in rows]
    assert {one.date() for one in local} <= {week.MONDAY + dt.timedelta(days=day) for day in range(7)}
    assert len(set(local)) == {"hour": 168, "day": 7, "week": 1}[grain] or product in {"flows", "arrivals"}
    assert {one.hour for one in local} <= (set(range(24)) if grain == "hour" else {0})


def test_the_week_is_marked_in_both_languages() -> None:
    metadata = draw_week(facts()).schema.metadata
    assert list(metadata) == [MARK.encode()]
    written = metadata[MARK.encode()].decode()
    assert NOTICE.en in written
    assert NOTICE.fr in written
    assert NOTICE.fr != NOTICE.en


def test_the_same_facts_give_the_same_week_and_another_dataset_another() -> None:
    first = digest(draw_week(facts()))
    assert digest(draw_week(facts())) == first
    assert digest(draw_week(facts(code="grenoble"))) != first
    assert digest(draw_week(facts(people=dict.fromkeys(ZONES, 4_100)))) != first


def test_all_that_a_week_follows_from_is_a_definition_or_on_the_price_sheet() -> None:
    """A field that is added here is shown to be public first: no release, no count of people who consent, no figure."""
    known = {"code", "product", "grain", "time_zone", "segments", "people", "weights", "shares", "middles"}
    assert {field.name for field in dataclasses.fields(PublicFacts)} == known
    assert set(draw_week.__annotations__) == {"facts", "return"}


def test_a_city_is_busy_in_the_middle_by_day_and_quieter_on_a_sunday() -> None:
    table = draw_week(facts(grain="hour"))
    hours: dict[int, int] = {}
    days: dict[int, int] = {}
    for when, people in by(table, "starts_at").items():
        local = when.astimezone(ZoneInfo("Europe/Paris"))
        hours[local.hour] = hours.get(local.hour, 0) + people
        days[local.weekday()] = days.get(local.weekday(), 0) + people
    assert max(hours.values()) > 1.5 * min(hours.values())
    assert min(hours, key=lambda hour: hours[hour]) in range(6)
    assert min(days, key=lambda day: days[day]) == 6
    zones = by(table, "zone")
    ring = sorted(h3.grid_ring(h3.latlng_to_cell(45.764, 4.8357, 7), 3))
    inner = set(ZONES) - set(ring)
    assert np.mean([zones.get(zone, 0) for zone in inner]) > 1.5 * np.mean([zones.get(zone, 0) for zone in ring])


def test_more_people_by_the_public_source_and_a_larger_share_are_more_in_the_week() -> None:
    crowded = ZONES[0]
    table = draw_week(facts(people=dict.fromkeys(ZONES, 4_000) | {crowded: 80_000}))
    assert max(zones := by(table, "zone"), key=lambda zone: zones[zone]) == crowded
    uneven = by(draw_week(facts(shares={BANDS[0]: 0.8, BANDS[1]: 0.2})), "segment")
    assert uneven[BANDS[0]] > 3 * uneven[BANDS[1]]


def test_a_large_dataset_shows_the_zones_with_the_most_people(monkeypatch: pytest.MonkeyPatch) -> None:
    people = {zone: 4_000 + number for number, zone in enumerate(ZONES)}
    monkeypatch.setattr(week, "MOST_CELLS", 7 * len(BANDS) * 5)
    assert by(draw_week(facts(people=people)), "zone").keys() == set(ZONES[-5:])
    monkeypatch.setattr(week, "MOST_CELLS", 7 * 9)
    flows = {place for pair in by(draw_week(facts("flows", people=people)), "zone") for place in pair.split(TO)}
    assert flows == set(ZONES[-3:])


def test_zones_without_outlines_and_single_zones_have_a_week_and_small_ones_are_left_out() -> None:
    assert draw_week(facts(middles={})).num_rows
    assert draw_week(facts(people={ZONES[0]: 4_000})).num_rows
    assert draw_week(facts("flows", people={ZONES[0]: 4_000})).num_rows == 0
    empty = draw_week(facts(people=dict.fromkeys(ZONES, 1)))
    assert (empty.num_rows, empty.schema.metadata[MARK.encode()] != b"") == (0, True)
