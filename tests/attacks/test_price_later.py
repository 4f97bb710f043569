"""The attack: wait until a part costs more than its whole, between the days that the menu is audited for."""

from __future__ import annotations

import pytest

from marketplace.errors import Conflict
from tests.attacks.test_price_menus import make_span, sell
from tests.marketplace.catalogue.shop import open_shop
from tests.marketplace.datasets.builders import ZONES


@pytest.mark.parametrize(("whole", "part", "floor"), [(24, 40, 130_000), (26, 40, 130_000), (24, 38, 120_000)])
async def test_a_menu_that_can_be_undercut_on_a_day_to_come_is_refused(whole: int, part: int, floor: int) -> None:
    """A city that ages faster than its halves: now it costs more than each, and so it does in 30 and in 180 days."""
    datasets = (("west", ZONES[:3], part), ("east", ZONES[3:], part), ("city", ZONES, whole))
    for code, zones, half_life in datasets:
        await open_shop(code, zones=list(zones), half_life_days=half_life)
        await sell(code, 1_000_000 * len(zones), floor=floor)
    for code, zones, _ in datasets:
        await make_span(code, len(zones), 0, 7)
    with pytest.raises(
        Conflict, match=r"Not listed: (east|west) .* but who buys city .* on \d{4}-\d\d-\d\d \d\d:\d\d UTC"
    ):
        await sell("city", 1_000_000 * len(ZONES), floor=floor)
