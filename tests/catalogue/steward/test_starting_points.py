"""What a definition and a build may begin from: common kinds, a copy, the latest whole period that is ingested."""

import datetime as dt
import re

import pytest

from marketplace.catalogue.steward.starting_points import STARTING_POINTS
from marketplace.datasets.releases.rules import days_of, spans_of, suggest_days
from tests.consent.builders import PURPOSE
from tests.datasets.builders import BANDS, RESOLUTION, ZONES, declare
from tests.people.builders import PASSWORD, Browser, add_staff, page_text
from tests.support.reads import fetch_value

NOW = dt.datetime(2026, 3, 31, 12, tzinfo=dt.UTC)
MARCH = [dt.date(2026, 3, day) for day in range(1, 31)]


def of(*days: int) -> tuple[dt.date, dt.date]:
    first, last = (dt.date(2026, 3, day) for day in days)
    return first, last


@pytest.mark.parametrize(
    ("ingested", "zone", "grain", "length", "found"),
    [
        (MARCH, "UTC", "day", 7, of(24, 30)),
        (MARCH[:20], "UTC", "hour", 7, of(14, 20)),
        (MARCH[:10] + MARCH[11:17], "UTC", "day", 7, of(4, 10)),
        (MARCH, "Europe/Paris", "day", 7, of(24, 30)),
        (MARCH, "America/New_York", "day", 7, of(23, 29)),
        (MARCH, "UTC", "week", 7, of(23, 29)),
        (MARCH[:5], "UTC", "day", 7, None),
        ([], "UTC", "day", 1, None),
    ],
)
def test_the_latest_whole_period_is_suggested(
    ingested: list[dt.date], zone: str, grain: str, length: int, found: tuple[dt.date, dt.date] | None
) -> None:
    """A day of New York ends within the next one of UTC, which must be ingested too."""
    assert suggest_days(ingested, NOW, time_zone=zone, grain=grain, length=length) == found


def test_spans_are_of_days_without_a_gap() -> None:
    assert spans_of(MARCH[:3] + MARCH[4:5]) == [of(1, 3), of(5, 5)]
    assert spans_of([]) == []
    assert days_of(dt.datetime(2026, 3, 1, 23, tzinfo=dt.UTC), dt.datetime(2026, 3, 2, 23, tzinfo=dt.UTC)) == MARCH[:2]


def typed(page: str) -> dict[str, str]:
    """Return what the fields of a page's form hold."""
    fields = dict(re.findall(r'<input class="input" id="(\w+)"[^>]*?\svalue="([^"]*)"', page))
    for name, options in re.findall(r'<select class="input" id="(\w+)".*?>(.*?)</select>', page, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        fields[name] = chosen[1] if chosen else ""
    return fields | dict(re.findall(r'<textarea class="input" id="(\w+)"[^>]*>(.*?)</textarea>', page, re.DOTALL))


async def test_every_starting_point_and_a_copy_can_be_defined() -> None:
    await declare()
    await add_staff("sam@partage.example", "Sam", "steward", PASSWORD)
    own = {"purpose": PURPOSE, "area": "Lyon", "zones": "\n".join(ZONES), "h3_resolution": str(RESOLUTION)}
    named = {"title_fr": "Jeu", "title_en": "Set", "description_fr": "Qui.", "description_en": "Who."}
    async with Browser() as sam:
        await sam.sign_in("sam@partage.example")
        start = page_text(await sam.get("/fr/steward/datasets/new"))
        assert "une copie de Lyon" in start
        assert "retail (commerce)" in start, "codes of sectors come with their French"
        assert "Nuitées" in start
        for code in STARTING_POINTS:
            form = typed((await sam.get(f"/en/steward/datasets/new?template={code}")).text)
            made = await sam.submit("/en/steward/datasets", form | own | named | {"code": code})
            assert made.status_code == 303, page_text(made)
        form = typed((await sam.get("/en/steward/datasets/new?copy=lyon")).text)
        assert "code" not in form, "another dataset has another code"
        assert form["age_bands"] == ", ".join(BANDS)
        assert (await sam.submit("/en/steward/datasets", form | {"code": "lyon-2"})).status_code == 303
        assert "No event is ingested yet" in page_text(await sam.get("/en/steward/datasets/lyon"))
    same = "SELECT (to_jsonb(d) - 'code' - 'created_at')::text FROM dataset AS d WHERE code = $1"
    assert await fetch_value(same, "lyon-2") == await fetch_value(same, "lyon")
