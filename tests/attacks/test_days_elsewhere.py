"""Somebody in La Réunion deletes a day: what they did on it there must not be counted in that day of a dataset of there."""

import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from marketplace.core.database import execute
from marketplace.datasets.builds.own_events import read_own_events
from marketplace.datasets.releases.ingestion import ingest_events
from marketplace.datasets.retractions.actions import apply_retractions
from marketplace.subscribers.my_data.actions import delete_days
from tests.datasets import builders
from tests.subscribers.builders import sales

DAY, LINE = dt.date(2026, 10, 1), 1


@pytest.mark.parametrize(
    ("zone", "left"), [("Indian/Reunion", []), ("America/Martinique", []), ("Europe/Paris", [0, 1])]
)
async def test_a_deleted_day_is_one_of_each_zone_that_is_counted(tmp_path: Path, zone: str, left: list[int]) -> None:
    """Where days of Paris alone are counted, what is of the day before in Paris stays."""
    await sales.write_lines()
    await execute("UPDATE dataset SET time_zone = $1", zone)
    here = ZoneInfo("Indian/Reunion" if left else zone)
    seen = [(LINE, dt.datetime.combine(DAY, dt.time(hour, 30), here), builders.ZONES[0]) for hour in (0, 1, 12, 23)]
    await ingest_events(**builders.write(tmp_path, seen, [LINE, 2]))
    await delete_days(LINE, DAY, DAY)
    await apply_retractions()
    events = list(read_own_events(LINE, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)) or [])
    assert [dt.datetime.fromisoformat(event["at"]).astimezone(here).hour for event in events] == left
