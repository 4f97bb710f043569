"""The attack: days of two time zones are up to 26 hours nearer than their names say: two whole budgets within 365 days."""

import datetime as dt
from collections.abc import Iterator

import pytest

from marketplace.core import clock
from marketplace.core.database import execute
from marketplace.core.errors import Conflict
from marketplace.core.local_time import midnight
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, queries
from tests.datasets.builders import declare
from tests.support.reads import fetch

DAY = dt.timedelta(days=1)
FIRST, NEXT = dt.date(2027, 1, 1), dt.date(2028, 1, 1)  # 366 days' names, the first one included


@pytest.fixture
def small_year(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Allow a subscriber one release's loss a year."""
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "2000000")
    settings.cache_clear()
    yield
    settings.cache_clear()


async def spend_day(code: str, day: dt.date, zone: str) -> None:
    """Spend what a release of one local day costs."""
    terms = await queries.get_dataset(code)
    days = await queries.get_specification(terms, midnight(day, zone), midnight(day + DAY, zone))
    await actions._spend(actions.Spend(days, None, "", ""), clock.now())


@pytest.mark.usefixtures("small_year")
@pytest.mark.parametrize(
    ("west", "east"),
    [("Etc/GMT+12", "Pacific/Kiritimati"), ("America/Martinique", "Europe/Paris"), ("UTC", "Europe/Paris")],
)
async def test_no_365_days_in_a_row_cost_more_than_a_year_may(west: str, east: str) -> None:
    """A day in the west, then one in the east a year later by its name, hours before the year is over."""
    await declare(time_zone=west, epsilon_micro=2_000_000)
    (row,) = await fetch("SELECT * FROM dataset")
    columns = ", ".join(name for name in dict(row) if name not in {"code", "time_zone", "spent_micro"})
    await execute(f"INSERT INTO dataset (code, time_zone, {columns}) SELECT 'east', $1, {columns} FROM dataset", east)
    await spend_day(row["code"], FIRST, west)
    with pytest.raises(Conflict, match="within a year"):
        await spend_day("east", NEXT, east)
    await spend_day("east", NEXT + 2 * DAY, east)
