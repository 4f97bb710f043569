"""A stranger collects what is free of a dataset week by week, to rebuild what is sold from all of it together.

The amounts that places are moved by are lasting, but a city is not: where a zone is now in one class and now in the next,
how often says what one map hides. So what is free is of one release of a dataset, whichever is looked at.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from marketplace.datasets.pictures.pictures import MOST_MAPS
from marketplace.datasets.releases.publishing import revoke
from marketplace.privacy import free_preview
from tests.attacks.cities import MOST, CrowdedCity, rebuilt, rebuilt_of_larger
from tests.catalogue.builders import cells_of_week, make_vetted_partner, open_catalogue, seal_week
from tests.people.builders import Browser

if TYPE_CHECKING:
    import uuid

    import httpx

PAGE = "/en/datasets/lyon"
WEEKS = 3
WEEKS_COLLECTED = 8
BITES = 52_013
"""A city of which eight weeks' maps rebuild too much: the attack works."""
UNUSUAL_WEEKS = (3, 7)
"""Of the city 52 002: their maps would pass by themselves, and explain more of a usual week."""
DATASETS_OF_A_PLACE = 8
DATASETS_BITE = 54_001
"""A city that eight datasets with maps of their own would rebuild."""
VARIATION = 0.3
MUCH = 0.6


@pytest.mark.deep
@pytest.mark.parametrize("seed", [BITES, 52_003, 52_012, 55_013, 55_016])
def test_pictures_of_many_weeks_would_rebuild_it_and_the_one_shown_does_not(seed: int) -> None:
    """Measured on a week that is usual, which other weeks' ups and downs are about.

    Nor do those that are shown one after the other, the ones before having been called back; then there is no map, and few rows.
    """
    usual = CrowdedCity(seed)
    drawn = [usual.later(number, VARIATION).drawn() for number in range(1, WEEKS_COLLECTED + 1)]
    drawn = [one for one in drawn if one.classes]
    assert all(rebuilt(usual, one) <= MUCH for one in drawn[:2])
    assert seed != BITES or rebuilt(usual, *drawn) > MUCH
    rows = [replace(one, classes={}, curve=[], sample=one.sample[:10]) for one in drawn[MOST_MAPS:]]
    assert not drawn or rebuilt(usual, *drawn[:MOST_MAPS], *rows) <= MUCH


@pytest.mark.deep
def test_a_map_of_an_unusual_week_explains_too_little_of_a_usual_one() -> None:
    """Most weeks of this city have no map: those that just have one must not say more of the others."""
    usual = CrowdedCity(52_002)
    assert all(rebuilt(usual, usual.later(number, VARIATION).drawn()) <= MUCH for number in UNUSUAL_WEEKS)


@pytest.mark.deep
@pytest.mark.parametrize("seed", [DATASETS_BITE, 54_007, 54_009, 54_013])
def test_pictures_of_several_datasets_of_a_place_do_not_rebuild_one(seed: int) -> None:
    """They repeat the map of the first, their sampled zones and curves being their own; with maps of their own they would."""
    city = CrowdedCity(seed)
    first = city.drawn()
    ground = free_preview.Ground({name: first.classes.get(name) for name in city.names}, first.may_show_times)

    def others(ground: free_preview.Ground | None) -> list[free_preview.Glance]:
        secrets = [f"zones of dataset {number}".encode() for number in range(1, DATASETS_OF_A_PLACE)]
        return [free_preview.draw(city.table, city.names, city.centres, one, MOST, ground=ground) for one in secrets]

    assert rebuilt(city, first, *others(ground)) <= MUCH
    assert seed != DATASETS_BITE or rebuilt(city, first, *others(None)) > MUCH


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(60_001, 60_020))
def test_a_map_does_not_rebuild_larger_zones_either(seed: int) -> None:
    """Another dataset may sell the same ground by larger zones: two by two, and three by three."""
    city = CrowdedCity(seed, zones=324)
    seen = city.drawn()
    assert not seen.classes or max(rebuilt_of_larger(city, seen, side) for side in (2, 3)) <= MUCH


def free(page: httpx.Response, sample: httpx.Response) -> tuple[str, str, str]:
    """Return all that a dataset's page and its sample show a stranger of figures: the map, the curve, the rows."""
    assert page.status_code == sample.status_code == 200
    pictures = [
        re.sub(r"map-[0-9a-f]{8}", "", one) for one in re.findall(r"<svg class=.*?</svg>", page.text, re.DOTALL)
    ]
    assert any('class="map' in one for one in pictures)
    rows = re.findall(r"<tbody>.*?</tbody>", page.text.split('id="data"')[1].split('id="method"')[0], re.DOTALL)
    assert rows
    return "".join(pictures[:2]), rows[0], sample.text


async def test_all_releases_of_a_dataset_show_strangers_one_picture_with_its_date() -> None:
    """Of the first one sealed; who bought a release sees that one; called back, the next one is shown instead."""
    await open_catalogue()
    releases = [await seal_week(weeks_ago=number, rows=cells_of_week(number)) for number in range(WEEKS)]
    await make_vetted_partner()
    async with Browser() as stranger, Browser() as claire:
        await claire.sign_in("claire@atelier.example")
        for browser in (stranger, claire):
            seen = [await collected(browser, release) for release in releases]
            assert len(set(seen)) == 1, "whichever release is looked at"
        starts = {row["starts_at"][:10] for row in csv.DictReader(io.StringIO(seen[0][2]))}
        of_first = {str(row["starts_at"])[:10] for row in cells_of_week(0)}
        assert starts <= of_first
        for language, words in (("en", "What is free is of another release"), ("fr", "vient d’une autre publication")):
            first, later = [
                (await stranger.get(f"/{language}/datasets/lyon?release={one}")).text for one in releases[:2]
            ]
            assert words in later
            assert words not in first
            other = await stranger.get(f"/{language}/datasets/lyon/preview?release={releases[1]}")
            assert words in other.text
        await revoke(releases[0], reason_fr="Erreur.", reason_en="Mistake.", by="Ada")
        again = [await collected(stranger, release) for release in releases[1:]]
        assert len(set(again)) == 1
        assert {row["starts_at"][:10] for row in csv.DictReader(io.StringIO(again[0][2]))} <= {
            str(row["starts_at"])[:10] for row in cells_of_week(1)
        }


async def collected(browser: Browser, release: uuid.UUID) -> tuple[str, str, str]:
    """Return what a browser is shown of a release's figures."""
    page = await browser.get(f"{PAGE}?release={release}")
    return free(page, await browser.get(f"{PAGE}/sample.csv?release={release}"))
