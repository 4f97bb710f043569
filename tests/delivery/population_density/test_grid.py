"""Geohash cells and how zones lie over them: known cells, and areas that add up however they are cut."""

import math

import h3
import pytest

from marketplace.delivery.population_density import grid
from marketplace.delivery.population_density.estimates import Exactness, Figures, estimate
from marketplace.delivery.population_density.rules import DensityEstimation, LowDensity
from marketplace.privacy.geography import H3
from tests.datasets.builders import ZONES


@pytest.mark.parametrize(
    ("name", "latitude", "longitude"),
    [("ezs42", 42.605, -5.603), ("u4pruydqqvj", 57.64911, 10.40744), ("spey61y", 43.2965, 5.3698), ("s", 10.0, 10.0)],
)
def test_cells_are_where_geohash_says(name: str, latitude: float, longitude: float) -> None:
    box = grid.box_of(name)
    assert box.south <= latitude < box.north
    assert box.west <= longitude < box.east
    columns, rows = grid.steps(len(name))
    x, y = int((longitude + 180) / 360 * columns), int((latitude + 90) / 180 * rows)
    assert grid.name_of(x, y, len(name)) == name


def test_the_parts_of_a_zone_in_cells_make_the_zone_and_a_cell_within_zones_is_full() -> None:
    zones = grid.zones_of(H3, ZONES)
    points = [(lng, lat) for zone in ZONES for lat, lng in h3.cell_to_boundary(zone)]
    west, east = min(p[0] for p in points), max(p[0] for p in points)
    south, north = min(p[1] for p in points), max(p[1] for p in points)
    names = grid.cells_over([(west, south), (east, south), (east, north), (west, north)], 6, 10_000)
    assert names
    touched = {name: grid.box_of(name) for name in names}
    shares = [0.0] * len(ZONES)
    for box in touched.values():
        for touch in zones.touching(box):
            shares[touch.zone] += touch.of_zone
    assert shares == pytest.approx([1.0] * len(ZONES))
    latitude, longitude = h3.cell_to_latlng(ZONES[0])
    columns, rows = grid.steps(8)
    inner = grid.name_of(int((longitude + 180) / 360 * columns), int((latitude + 90) / 180 * rows), 8)
    [touch] = zones.touching(grid.box_of(inner))
    assert (touch.zone, touch.of_cell, touch.is_whole) == (0, pytest.approx(1.0), False)
    whole = zones.touching(grid.box_of("u05"))
    assert [each.is_whole for each in whole] == [True] * len(ZONES)
    assert zones.areas[0] * 111.32**2 * math.cos(math.radians(45.76)) == pytest.approx(
        h3.cell_area(ZONES[0], "km^2"), rel=0.01
    )
    assert not zones.touching(grid.box_of("s00"))


def test_rings_that_cross_themselves_have_no_inside() -> None:
    assert grid.is_simple([(0, 0), (1, 0), (1, 1), (0, 1)])
    assert grid.is_simple([(0, 0), (4, 0), (4, 4), (2, 1)]), "not convex"
    for ring in ([(0, 0), (1, 1), (1, 0), (0, 1)], [(0, 0), (1, 1), (2, 2)], [(0, 0), (0, 0), (1, 0), (1, 1)]):
        assert not grid.is_simple(ring)
    assert grid.cells_over([(0, 0), (90, 0), (90, 80)], 8, 1000) is None


def test_the_interval_is_the_zones_own_and_what_is_withheld_widens_it() -> None:
    box = grid.box_of("u05")
    exactness = Exactness(error_people=10, threshold=20, segments=2)
    whole = [grid.Touch(0, 1.0, 0.3, is_whole=True), grid.Touch(1, 1.0, 0.3, is_whole=True)]
    km = box.square_km * 0.6
    figures = {0: Figures(2, 1_000_000, 999_980), 1: Figures(1, 500_000, 499_990)}
    answer = estimate("u05", box, whole, figures, exactness)
    assert isinstance(answer, DensityEstimation)
    most = 1_000_000 + 20 + 500_000 + 10 + (20 - 1 + 10)
    assert answer == DensityEstimation("u05", math.ceil(most / km), math.floor(1_499_970 / km), round(1_500_000 / km))
    cut = [grid.Touch(0, 0.5, 0.3, is_whole=False), whole[1]]
    halved = estimate("u05", box, cut, figures, exactness)
    assert isinstance(halved, DensityEstimation)
    assert halved.max_ppl_density == answer.max_ppl_density
    assert halved.min_ppl_density == math.floor(499_990 / km), "a zone that is cut may have nobody in the cell"
    assert halved.ppl_density == round(1_000_000 / km)
    assert estimate("u05", box, whole, {}, exactness) == LowDensity("u05")
