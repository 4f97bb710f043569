"""The attack: buy the whole in hours or in bands, from datasets that publish a day by turns."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from marketplace.catalogue.offers import actions
from marketplace.core.errors import Conflict
from tests.attacks.weeks_on_sale import A_CITY, Sold, audited
from tests.catalogue.builders import DAY, last_midnight, list_offer, open_catalogue, seal_week
from tests.datasets.builders import BANDS, ZONES

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOURS = dt.timedelta(hours=1)
ZONE, HOUR, BAND = np.ogrid[:10, :168, :4]
EVERYWHERE = np.ones((10, 168, 4), int)
BY_TURNS = {
    "hour about": HOUR % 2,
    "night and day": HOUR % 24 < 12,
    "band about": BAND % 2,
    "hour and band about": (HOUR + BAND) % 2,
    "zone and hour about": (ZONE + HOUR) % 2,
    "zone, hour and band about": (ZONE + HOUR + BAND) % 2,
}


def by_turns(odd: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    return {"odd": np.asarray(odd, int), "even": 1 - np.asarray(odd, int)}


def sold_by_hour(name: str, cells: Any, worth: float, people: int = 100_000) -> Sold:
    return Sold.by_hour(name, A_CITY, cells * EVERYWHERE, round(worth), people)


@pytest.mark.parametrize("share", [0.99, 0.92, 0.5, 0.1])
@pytest.mark.parametrize("odd", BY_TURNS.values(), ids=BY_TURNS)
def test_a_day_that_two_publish_by_turns_is_the_whole_together(odd: NDArray[np.int64], share: float) -> None:
    whole = sold_by_hour("whole", 1, 10_000_000)
    halves = by_turns(odd)
    audited(whole, *(sold_by_hour(name, cells, 10_100_000) for name, cells in halves.items()))
    with pytest.raises(Conflict, match=r"Not listed: whole .* but who buys (odd|even) .*, (odd|even) "):
        audited(whole, *(sold_by_hour(name, cells, 10_000_000 * share) for name, cells in halves.items()))


@pytest.mark.parametrize("lacking", [0.002, 0.01])
@pytest.mark.parametrize("odd", BY_TURNS.values(), ids=BY_TURNS)
def test_so_it_is_when_some_cells_of_each_are_withheld_by_chance(odd: NDArray[np.int64], lacking: float) -> None:
    """Of few people, so that a cell more or less is a shade and not another quality."""
    rng, whole = np.random.default_rng(1), sold_by_hour("whole", 1, 10_000_000, 10)
    halves = {name: cells * (rng.random(EVERYWHERE.shape) > lacking) for name, cells in by_turns(odd).items()}
    audited(whole, *(sold_by_hour(name, cells, 10_100_000, 10) for name, cells in halves.items()))
    with pytest.raises(Conflict, match=r"Not listed: whole .* but who buys (odd|even) .*, (odd|even) "):
        audited(whole, *(sold_by_hour(name, cells, 8_500_000, 10) for name, cells in halves.items()))


@pytest.mark.parametrize("odd", [odd for odd in BY_TURNS.values() if len(odd) == 1])
def test_two_that_share_no_hour_compete_with_nothing(odd: NDArray[np.int64]) -> None:
    odd, even = by_turns(odd).values()
    audited(sold_by_hour("odd", odd, 10_000_000), sold_by_hour("even", even, 2_000_000))


def test_a_few_hours_that_one_lacks_and_another_has_are_compared_as_well() -> None:
    """All but two hours of a night, and those two: together they are the whole."""
    night = HOUR % 24 < 2
    whole = sold_by_hour("whole", 1, 10_000_000)
    parts = {"day": 1 - np.asarray(night, int), "night": np.asarray(night, int)}
    audited(whole, *(sold_by_hour(name, cells, 10_100_000) for name, cells in parts.items()))
    with pytest.raises(Conflict, match=r"Not listed: whole .* but who buys (day|night) .*, (day|night) "):
        audited(whole, *(sold_by_hour(name, cells, 9_700_000) for name, cells in parts.items()))


@pytest.mark.parametrize("hours", [1, 3])
def test_hours_that_each_of_two_lacks_are_had_of_the_other(hours: int) -> None:
    """Few as they are, they are no chance: where one lacks the night and the other noon, both are the whole."""
    whole = sold_by_hour("whole", 1, 10_000_000)
    night, noon = (np.asarray((HOUR - first) % 24 >= hours, int) for first in (3, 13))
    audited(whole, sold_by_hour("night", night, 10_000_000), sold_by_hour("noon", noon, 10_000_000))
    with pytest.raises(Conflict, match=r"Not listed: whole .* but who buys (night|noon) .*, (night|noon) "):
        audited(whole, sold_by_hour("night", night, 3_000_000), sold_by_hour("noon", noon, 3_000_000))


@pytest.mark.parametrize("hours", [12, 9, 1])
def test_days_that_begin_at_other_hours_are_compared_hour_by_hour(hours: int) -> None:
    """Of another time zone: one has the hours of its days until the whole's midnight, and the other those after it."""
    whole = sold_by_hour("whole", (HOUR >= 24) & (HOUR < 144), 10_000_000)
    hour = HOUR % 24
    parts = {"before": np.asarray(hour < hours, int), "after": np.asarray(hour >= hours, int)}
    for worth, is_listed in ((20_000_000, True), (2_000_000, False)):
        others = [sold_by_hour(name, cells, worth)._replace(later=-hours * HOURS) for name, cells in parts.items()]
        if is_listed:
            audited(whole, *others)
            audited(*others[:1], others[1]._replace(worth=1_000_000))
        else:
            with pytest.raises(Conflict, match=r"Not listed: whole .* but who buys (before|after) .*, (before|after) "):
                audited(whole, *others)


@pytest.mark.parametrize("kept", ["hour", "band"])
async def test_hours_and_bands_are_read_from_the_files_of_releases(kept: str) -> None:
    """Three datasets on sale: what two of them publish by turns is refused below the whole."""
    start = last_midnight() - 7 * DAY
    keys = [(zone, hour, band) for zone in ZONES for hour in range(168) for band in BANDS]
    turn = {"hour": lambda key: key[1] % 2, "band": lambda key: BANDS.index(key[2])}[kept]
    published = {
        "whole": keys,
        "odd": [key for key in keys if turn(key)],
        "even": [key for key in keys if not turn(key)],
    }
    for code, some in published.items():
        await open_catalogue(code, zones=sorted(ZONES), grain="hour")
        await actions.withdraw_offer(code)
        cells = [
            {"zone": zone, "starts_at": start + dt.timedelta(hours=hour), "segment": band, "people": 400, "events": 900}
            for zone, hour, band in some
        ]
        await seal_week(
            code,
            rows=cells,
            by_day=True,
            key_count=len(keys),
            row_count=len(cells),
            consenting=9_000,
            population=10_000,
        )
    await list_offer("whole", 10_000_000)
    await list_offer("odd", 10_100_000)
    await list_offer("even", 10_100_000)
    with pytest.raises(Conflict, match=r"Not listed: whole .* but who buys (odd|even) .*, (odd|even) "):
        await list_offer("even", 9_000_000)
