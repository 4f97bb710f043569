"""The demo's cities are written by a process of its own, and begun at once only where none were."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from marketplace.demo.seed_calendar import last_monday, panel_days
from marketplace.demo.seed_cities import INHABITANTS, INHABITANTS_OF_GRENOBLE, CitiesBeside
from marketplace.demo.synthetic_city import GRENOBLE, LYON, day_file, generate_city, written_city

NOW = dt.datetime(2026, 3, 18, 15, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def test_a_city_is_found_again_as_it_was_written(tmp_path: Path) -> None:
    for number, town in enumerate((LYON, GRENOBLE)):
        made = generate_city(tmp_path, seed=number, people=300, start=NOW.date(), days=1, town=town)
        found = written_city(tmp_path, town)
        assert np.array_equal(found.references, made.references)
        assert (found.events, found.panel, found.subscribers) == (made.events, made.panel, made.subscribers)
        assert found.zones == made.zones


@pytest.mark.deep
async def test_both_cities_are_written_beside_and_asked_for_again(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "city"
    with CitiesBeside(folder, NOW) as cities:
        lyon, grenoble = await cities.generated()
    assert (len(lyon.references), len(grenoble.references)) == (INHABITANTS, INHABITANTS_OF_GRENOBLE)
    monday = last_monday(NOW)
    assert day_file(lyon.events, monday - DAY).exists()
    assert day_file(grenoble.events, monday - DAY, GRENOBLE).exists()
    assert not day_file(lyon.events, monday).exists(), "the present week has no events yet"
    assert all(day_file(lyon.panel, day).exists() for day in panel_days(NOW))

    lost = day_file(lyon.events, monday - DAY)
    lost.unlink()
    with CitiesBeside(folder, NOW) as again:  # a start that was interrupted, or any later one
        pass
    assert not lost.exists(), "nothing is written before it is asked for"
    with CitiesBeside(folder, NOW) as again:
        assert np.array_equal((await again.generated())[0].references, lyon.references)
    assert lost.exists()


async def test_cities_that_cannot_be_written_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with CitiesBeside(tmp_path / "file" / "city", NOW) as cities, pytest.raises(RuntimeError, match="cities"):
        await cities.generated()
