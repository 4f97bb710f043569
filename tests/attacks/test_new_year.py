"""A year's privacy is spent at its end, and another at the next one's beginning: two whole budgets within days."""

import datetime as dt
import random
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.consent.purposes.tables import Notice
from marketplace.core import clock
from marketplace.core.errors import Conflict
from marketplace.core.settings import settings
from marketplace.datasets.releases import actions, queries
from marketplace.datasets.releases.tables import Dataset
from marketplace.datasets.releases.year_budget import foresee
from marketplace.privacy.budget import YEAR_DAYS, Loss, rolling_year_micro, year_epsilon_micro
from tests.datasets.builders import PERIOD, crowd, declare, make_subscribers, write
from tests.support.reads import fetch_value

NEW_YEAR = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)


@pytest.fixture(autouse=True)
def four_and_a_half(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Allow a subscriber's year ε = 4.5."""
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "4500000")
    settings.cache_clear()
    yield
    settings.cache_clear()


async def spend(start: dt.datetime) -> None:
    """Charge lyon's week from `start`, as a build does before it looks at anything."""
    specification = await queries.get_specification(await queries.get_dataset("lyon"), start, start + WEEK)
    await actions._spend(actions.Spend(specification, None, "", ""), clock.now())


async def test_two_budgets_do_not_meet_at_new_year() -> None:
    await declare()
    await spend(NEW_YEAR - 5 * WEEK)
    await spend(NEW_YEAR - 3 * WEEK)
    with pytest.raises(Conflict, match=r"ε = 6.00 within a year; no more than 4.5 is allowed"):
        await spend(NEW_YEAR + WEEK)
    await spend(NEW_YEAR - 5 * WEEK + dt.timedelta(days=YEAR_DAYS + 7))  # a year after the first was over


async def test_the_steward_sees_what_the_pace_adds_up_to() -> None:
    await declare()
    await spend(NEW_YEAR - 5 * WEEK)
    assert (await foresee(NEW_YEAR)).so_far_micro == 2_000_000
    assert (await foresee(NEW_YEAR)).going_on_micro == 0, "nothing is built by itself"
    await Dataset.update({Dataset.cadence: "week"}).where(Dataset.code == "lyon")
    pace = await foresee(NEW_YEAR)
    assert pace.going_on_micro > 10 * pace.so_far_micro, "53 weeks have a day in some year"
    assert pace.going_on_micro > pace.allowed_micro == 4_500_000


async def test_the_notices_named_are_no_trace_of_who_consented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last person under an old notice withdraws: the release names the same versions as with that person."""
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "100000000")
    settings.cache_clear()
    await declare()
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    purpose = (await queries.get_dataset("lyon")).purpose
    text = {"text_fr": "Nouveau.", "text_en": "New.", "published_at": clock.now() - dt.timedelta(days=1)}
    await Notice.insert(Notice(id=uuid.uuid4(), purpose=purpose, version=99, **text))
    release = await actions.build("lyon", **files, **PERIOD)
    named = await fetch_value("SELECT count(*) FROM release_notice WHERE release = $1", release)
    assert named == await fetch_value("SELECT count(*) FROM notice WHERE purpose = $1", purpose) >= 2


@pytest.mark.long
def test_a_rolling_year_is_the_costliest_of_all_years() -> None:
    draw = random.Random(11)  # noqa: S311 (a test's draws repeat)
    for _ in range(8):
        losses = []
        for _ in range(draw.randrange(1, 30)):
            first = dt.date(2025, 1, 1) + dt.timedelta(days=draw.randrange(900))
            last = first + dt.timedelta(days=draw.randrange(40))
            losses.append(Loss(first, last, draw.random() < 0.4, draw.randrange(1, 10**8), 10**6, draw.random() < 0.6))
        first = dt.date(2025, 11, 20) + dt.timedelta(days=draw.randrange(100))
        last = first + dt.timedelta(days=draw.randrange(30))
        assert rolling_year_micro(losses, first, last) == by_enumeration(losses, first, last)


def by_enumeration(losses: list[Loss], first: dt.date, last: dt.date) -> int:
    """Return the same, one year after another, one day after another."""
    found = 0
    day = first - dt.timedelta(days=YEAR_DAYS - 1)
    while day <= last:
        year = {day + dt.timedelta(days=number) for number in range(YEAR_DAYS)}
        rho = gaussian = pure = 0
        for loss in losses:
            days = {loss.first + dt.timedelta(days=n) for n in range((loss.last - loss.first).days + 1)} & year
            units = len(days) if loss.is_by_day else int(bool(days))
            rho += units * loss.rho_nano
            gaussian += units * loss.rho_nano * (not loss.is_pure)
            pure += units * loss.epsilon_micro * loss.is_pure
        found = max(found, year_epsilon_micro(rho, gaussian, pure))
        day += dt.timedelta(days=1)
    return found
