"""Where datasets lie: boxes that are measured once, and which zones of two datasets are on the same ground."""

from __future__ import annotations

import json
from typing import Any

import h3

from marketplace.datasets.geography.rules import read_zone_table
from marketplace.datasets.pictures.actions import box, measure_new
from marketplace.datasets.pictures.queries import list_near
from marketplace.datasets.pictures.rules import Zoning, grounds, shared_ground
from marketplace.privacy.geography import H3, OwnZones
from tests.catalogue.builders import open_catalogue, seal_week
from tests.datasets.builders import ELSEWHERE, RESOLUTION, ZONES
from tests.support.reads import fetch_value


def halves(of: str) -> OwnZones:
    """Return zones of the operator's own: the west and the east of a hexagon's box, and one without an outline."""
    corners = [(longitude, latitude) for latitude, longitude in h3.cell_to_boundary(of)]
    (west, east), (south, north) = ((min(one), max(one)) for one in zip(*corners, strict=True))
    middle = (west + east) / 2
    features: list[dict[str, Any]] = [
        {"type": "Feature", "properties": {"code": code, "name": code}, "geometry": shape}
        for code, shape in (
            ("west", {"type": "Polygon", "coordinates": [ring(west, south, middle, north)]}),
            ("east", {"type": "Polygon", "coordinates": [ring(middle, south, east, north)]}),
            ("nowhere", None),
        )
    ]
    document, _ = read_zone_table(json.dumps({"type": "FeatureCollection", "features": features}))
    return OwnZones.of("halves", "digest", document)


def ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def test_zones_share_ground_where_one_holds_the_middle_of_the_other() -> None:
    fine = Zoning(sorted(h3.cell_to_children(ZONES[0], RESOLUTION + 1)), H3, RESOLUTION + 1)
    coarse = Zoning(ZONES, H3, RESOLUTION)
    assert shared_ground(coarse, fine) == {ZONES[0]: fine.zones}
    assert shared_ground(fine, coarse) == {zone: [ZONES[0]] for zone in fine.zones}
    assert shared_ground(coarse, coarse) == {zone: [zone] for zone in ZONES}
    assert not shared_ground(coarse, Zoning([ELSEWHERE], H3, RESOLUTION))


def test_the_operators_zones_share_ground_with_hexagons() -> None:
    geography = halves(ZONES[0])
    own = Zoning(["east", "nowhere", "west"], geography, 1)
    fine = Zoning(sorted(h3.cell_to_children(ZONES[0], RESOLUTION + 1)), H3, RESOLUTION + 1)
    shared = shared_ground(own, fine)
    assert shared.keys() == {"east", "west"}
    assert sorted(zone for zones in shared.values() for zone in zones) == fine.zones
    assert shared_ground(own, own) == {"east": ["east"], "nowhere": ["nowhere"], "west": ["west"]}
    assert set(map(tuple, shared_ground(fine, own).values())) == {("east",), ("west",)}


def test_what_shares_a_zone_has_one_ground_by_way_of_others_too() -> None:
    first, second, apart, third, empty = grounds([["a", "b"], ["c", "d"], ["e"], ["d", "a"], []])
    assert first == second == third
    assert len({first, apart, empty}) == 3
    assert grounds([]) == []


def test_a_box_goes_round_all_outlines() -> None:
    geography = halves(ZONES[0])
    west, south, east, north = box(["east", "west", "nowhere"], geography)
    corners = h3.cell_to_boundary(ZONES[0])
    assert west is not None
    assert south is not None
    assert east is not None
    assert north is not None
    assert all(south <= 1e6 * latitude <= north and west <= 1e6 * longitude <= east for latitude, longitude in corners)
    assert box(["nowhere"], geography) == (None, None, None, None)


async def test_what_has_a_release_is_measured_once_and_found_by_its_ground() -> None:
    await open_catalogue("lyon", "lyon-again", "unpublished")
    await open_catalogue("paris", zones=[ELSEWHERE])
    for code in ("lyon", "lyon-again", "paris"):
        await seal_week(code)
    assert not await list_near(["lyon"]), "nothing is measured yet"
    await measure_new()
    before = await fetch_value("SELECT array_agg(measured_at ORDER BY dataset) FROM footprint")
    await seal_week("lyon", weeks_ago=1)
    await measure_new()
    assert [(one.dataset, one.near) for one in await list_near(["lyon", "paris"])] == [("lyon", "lyon-again")]
    assert await fetch_value("SELECT array_agg(measured_at ORDER BY dataset) FROM footprint") == before
    assert await fetch_value("SELECT count(*) FROM footprint") == 3
