"""A stranger collects what is free of all datasets of one place, to rebuild what one of them sells from all together.

They count the same ground by other zones, in other weeks and by other names: each zone of each would be moved by an amount
of its own, and who averages them undoes all. So each piece of ground is drawn once, and what is published of it later,
by any zones, repeats that.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import h3
import numpy as np
import pytest

from marketplace.datasets.geography.actions import define_zones
from marketplace.datasets.pictures.pictures import pictures
from marketplace.datasets.releases.publishing import revoke
from marketplace.privacy.free_preview import Ground, draw
from tests.attacks.cities import SECRET, CrowdedCity, rank_correlation, rebuilt
from tests.catalogue.builders import cells_of_week, make_vetted_partner, open_catalogue, seal_week
from tests.datasets.builders import ReleaseLookedAt
from tests.people.builders import Browser

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from marketplace.privacy.free_preview import Glance

MUCH = 0.6
VARIATION = 0.3
WORST = 54_001
"""Of sixteen cities, one of which four pictures with amounts of their own rebuild too much."""
RESOLUTION, COARSE = 8, 6


@dataclass(frozen=True)
class Counted:
    """A dataset of a place: its code, a week of a city, and in which of its zones each of the city's is, some in several."""

    code: str
    week: CrowdedCity
    zones: Mapping[str, Sequence[int]]
    """The city's zones whose people are averaged, by the dataset's zone."""
    table: str | None = None

    def people(self) -> list[dict[str, Any]]:
        """Return the cells that are sold."""
        city = self.week
        means = {zone: np.rint(city.people[list(of)].mean(axis=0)) for zone, of in self.zones.items()}
        return [
            {"zone": zone, "starts_at": when, "segment": "all", "people": int(people), "events": 3 * int(people)}
            for zone, of in means.items()
            for when, people in zip(city.starts, of, strict=True)
            if people >= 20
        ]

    def read(self, seen: Glance) -> Glance:
        """Return its picture as one of the city's own zones: the mean class of those that each zone of the city is in."""
        within: dict[int, list[str]] = {}
        for zone, of in self.zones.items():
            for at in of:
                within.setdefault(at, []).append(zone)
        classes: dict[str, Any] = {}
        for at, name in enumerate(self.week.names):
            known = [seen.classes[zone] for zone in within.get(at, ()) if zone in seen.classes]
            if known:
                classes[name] = sum(known) / len(known)
        names = {zone: self.week.names[of[0]] for zone, of in self.zones.items() if len(of) == 1}
        sample = [row | {"zone": names[row["zone"]]} for row in seen.sample if row["zone"] in names]
        return replace(seen, classes=classes, sample=sample)


def square_around(x: float, y: float, side: float) -> dict[str, Any]:
    """Return a square around a place, in hundredths of a degree."""
    ends = [
        (x - side, y - side),
        (x + side, y - side),
        (x + side, y + side),
        (x - side, y + side),
        (x - side, y - side),
    ]
    return {"type": "Polygon", "coordinates": [[[a / 200 + 1, b / 200 + 1] for a, b in ends]]}


async def define_table(code: str, shapes: Mapping[str, dict[str, Any]]) -> str:
    """Define a table of zones."""
    features: list[dict[str, Any]] = [
        {"type": "Feature", "properties": {"code": zone, "name": zone, "parent": f"{code}-all"}, "geometry": shape}
        for zone, shape in shapes.items()
    ]
    whole = {"type": "Feature", "properties": {"code": f"{code}-all", "name": "All"}, "geometry": None}
    features.insert(0, whole)
    return await define_zones(code, json.dumps({"type": "FeatureCollection", "features": features}), by="Samir")


async def counted_by(city: CrowdedCity) -> list[Counted]:
    """Return eight datasets of a place, the first one by the city's own zones."""
    side = round(len(city.names) ** 0.5)
    lattice = [divmod(number, side)[::-1] for number in range(len(city.names))]
    own = {name: [at] for at, name in enumerate(city.names)}
    found = []
    for number in range(4):
        zones = {f"n{number}-{name}": of for name, of in own.items()}
        shapes = {zone: square_around(2 * lattice[at][0], 2 * lattice[at][1], 1) for zone, (at,) in zones.items()}
        table = await define_table(f"names-{number}", shapes)
        found.append(Counted(f"named-{number}", city, zones, table))
        if number < 2:
            found.append(Counted(f"week-{number}", city.later(1 + number, VARIATION), zones, table))
    corners = {
        f"c{x:02}{y:02}": [y * side + x, y * side + x + 1, (y + 1) * side + x, (y + 1) * side + x + 1]
        for x in range(side - 1)
        for y in range(side - 1)
    }
    shapes = {zone: square_around(2 * int(zone[1:3]) + 1, 2 * int(zone[3:]) + 1, 1) for zone in corners}
    found.append(Counted("shifted", city, corners, await define_table("shifted", shapes)))
    # From latitude and longitude to the square that holds the middle.
    ring = [
        (1 - 1 / 200, 1 - 1 / 200),
        (1 - 1 / 200, 1 + side / 100),
        (1 + side / 100, 1 + side / 100),
        (1 + side / 100, 1),
    ]
    parents = {h3.cell_to_parent(cell, COARSE) for cell in h3.polygon_to_cells(h3.LatLngPoly(ring), RESOLUTION)}
    cells = sorted(cell for parent in parents for cell in h3.cell_to_children(parent, RESOLUTION))
    middles = [tuple(round(100 * (one - 1)) for one in h3.cell_to_latlng(cell)) for cell in cells]
    hexagons = {
        cell: [y * side + x] for cell, (y, x) in zip(cells, middles, strict=True) if 0 <= x < side and 0 <= y < side
    }
    found.append(Counted("hexagons", city, hexagons))
    return found


async def publish_counted(counted: Sequence[Counted]) -> list[uuid.UUID]:
    """Seal a release of each dataset, one after the other."""
    releases = []
    for one in counted:
        level = 2 if one.table else RESOLUTION
        zones = [f"{one.table}-all"] if one.table else sorted({h3.cell_to_parent(zone, COARSE) for zone in one.zones})
        declared = {"zones": zones, "zone_table": one.table, "age_bands": ["all"], "h3_resolution": level}
        await open_catalogue(one.code, **declared, grain="hour")
        releases.append(await seal_week(one.code, rows=one.people()))
    return releases


async def seen_of(releases: Sequence[uuid.UUID], counted: Sequence[Counted]) -> list[Glance]:
    """Return what a stranger makes of each dataset's picture, in the zones of the city."""
    shown = [ReleaseLookedAt(release, one.code) for release, one in zip(releases, counted, strict=True)]
    drawn = await pictures(shown)
    return [one.read(drawn[release].glance) for release, one in zip(releases, counted, strict=True)]


@pytest.mark.deep
@pytest.mark.parametrize("seed", [WORST, 54_007, 54_009, 54_014, 41_006, 41_037])
async def test_eight_datasets_of_a_place_do_not_rebuild_one(seed: int) -> None:
    """By the city's zones under four names, in other weeks, by zones that are shifted, by hexagons."""
    city = CrowdedCity(seed)
    counted = await counted_by(city)
    seen = await seen_of(await publish_counted(counted), counted)
    first, *others = seen
    assert rebuilt(city, first, *others) <= MUCH
    assert not first.classes or rank_correlation(*levels_of(city, first)) >= 0.5
    named = [one for one, of in zip(seen, counted, strict=True) if of.code.startswith("named") and one.classes]
    assert all(one.classes == named[0].classes for one in named), "the ground is drawn once"


def levels_of(city: CrowdedCity, seen: Glance) -> tuple[Any, Any]:
    """Return each zone's class and how many are in it."""
    classes = np.array([seen.classes[name] for name in city.names], float)
    return classes, np.where(city.people >= 20, city.people, 0).sum(axis=1).astype(float)


def test_which_zones_of_a_repeated_map_have_room_says_no_more_than_it() -> None:
    city = CrowdedCity(9004)
    first = city.drawn()
    ground = Ground(first.classes, may_show_times=True)
    again = draw(city.table, city.names, city.centres, SECRET, 150, ground=ground)
    by_class = sorted(first.classes, key=lambda zone: (-first.classes[zone], zone))
    assert again.classes == {zone: first.classes[zone] for zone in sorted(by_class[:150])}
    assert not again.moved, "shades by hour would be moved by amounts that another map is made with"


async def test_what_is_published_later_repeats_the_map_and_says_so() -> None:
    """Also to vetted partners; once the first dataset's release is called back, the next one's own map is shown."""
    await open_catalogue("lyon", "evening")
    first = await seal_week("lyon", rows=cells_of_week(0))
    later = await seal_week("evening", rows=cells_of_week(0))
    await make_vetted_partner()
    async with Browser() as stranger, Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        for browser in (stranger, claire):
            for language, words in (("en", "It repeats, where they overlap"), ("fr", "Elle reprend, là où")):
                own = await browser.get(f"/{language}/datasets/lyon?release={first}")
                repeated = await browser.get(f"/{language}/datasets/evening?release={later}")
                assert words in repeated.text
                assert words not in own.text
        assert 'id="band"' in (await claire.get(f"/en/datasets/lyon?release={first}")).text
        assert 'id="band"' not in (await claire.get(f"/en/datasets/evening?release={later}")).text
        maps = [await map_of(stranger, "lyon"), await map_of(stranger, "evening")]
        assert maps[0] == maps[1]
        assert "The map repeats" in (await stranger.get(f"/en/datasets/evening/preview?release={later}")).text
        await revoke(first, reason_fr="Erreur.", reason_en="Mistake.", by="Ada")
        its_own = await stranger.get(f"/en/datasets/evening?release={later}")
        assert "a third of the zones in each shade" in its_own.text


async def map_of(browser: Browser, code: str) -> list[str]:
    """Return the shades of a dataset's map, as a stranger sees them."""
    page = await browser.get(f"/en/datasets/{code}")
    (drawn,) = re.findall(r'<svg class="map".*?</svg>', page.text, re.DOTALL)
    return re.findall(r'<path class="q\d+"[^>]*>', drawn)
