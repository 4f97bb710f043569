"""Local hours, days and nights: three engines and plain Python answer the same around the nights when clocks change."""

import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.core.local_time import midnight
from marketplace.datasets.builds import reference_sql
from marketplace.datasets.builds.counting_query import CountingQuery
from tests.datasets.builds.engines import (
    DAY_US,
    HOUR_US,
    PEOPLE,
    SITES,
    Case,
    answer,
    cells_of_answer,
    chosen_cells,
    compare,
    ingested,
    local_clock,
    microseconds,
    question_of,
)
from tests.privacy.specs import specification

SPRING, AUTUMN = ("Europe/Paris", dt.date(2026, 3, 28), 3), ("Europe/Paris", dt.date(2026, 10, 24), 3)
KOLKATA = ("Asia/Kolkata", dt.date(2026, 3, 28), 2)
QUIET = ("Europe/Paris", dt.date(2026, 7, 13), 3)
WINDOWS = (
    SPRING,
    AUTUMN,
    ("America/New_York", dt.date(2026, 10, 31), 3),
    KOLKATA,
    ("Africa/Cairo", dt.date(2026, 4, 23), 3),
)
"""A time zone, the first day and how many: clocks change in all but Kolkata, whose hours are half past UTC's."""
COUNTED = (
    ("presence", HOUR_US, False),
    ("presence", HOUR_US, True),
    ("presence", DAY_US, True),
    ("flows", HOUR_US, True),
    ("flows", DAY_US, False),
    ("arrivals", HOUR_US, True),
    ("stays", DAY_US, False),
    ("stays", DAY_US, True),
)
"""A product, its step, and whether its unit is the day."""
Window = tuple[str, dt.date, int]
Counted = tuple[str, int, bool]

minutes = st.one_of(st.integers(-120, 75 * 60), st.sampled_from([n * 60 for n in range(-2, 75)]))
"""Into the period: whole hours more often, for that is where steps begin."""


def period(window: Window) -> tuple[dt.datetime, dt.datetime]:
    name, first, days = window
    return midnight(first, name), midnight(first + dt.timedelta(days=days), name)


def question_of_days(window: Window, counted: Counted) -> dict[str, Any]:
    start, end = (microseconds(instant) for instant in period(window))
    _, step_us, by_day = counted
    return {
        "time_zone": window[0],
        "period_from_us": start,
        "period_to_us": end,
        "started_us": end + DAY_US,
        "step_us": step_us,
        "unit_us": DAY_US if by_day else end - start,
        "max_zones": 2 if counted[0] == "presence" else 0,
    }


@st.composite
def cases_of_window(draw: st.DrawFn, window: Window) -> Case:
    start, end = period(window)

    def at(minute: int, micros: int = 0) -> dt.datetime:
        return start + dt.timedelta(minutes=minute, microseconds=micros)

    instants = st.builds(at, minutes, st.sampled_from([0, 0, -1, 999]))
    events = st.lists(
        st.tuples(st.sampled_from(PEOPLE), instants, st.sampled_from(SITES), st.sampled_from(["", "call"])), max_size=60
    )
    cuts = st.one_of(st.builds(at, minutes), st.just(end + dt.timedelta(days=2)))
    return draw(events), draw(st.lists(st.tuples(st.sampled_from(PEOPLE), cuts, cuts), max_size=12))


@st.composite
def stories(draw: st.DrawFn) -> tuple[Case, str, dict[str, Any]]:
    window, counted = draw(st.sampled_from(WINDOWS)), draw(st.sampled_from(COUNTED))
    return draw(cases_of_window(window)), counted[0], question_of_days(window, counted)


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(stories())
def test_each_engine_counts_local_days_as_plain_python_does(story: tuple[Case, str, dict[str, Any]]) -> None:
    compare(*story)


@pytest.mark.deep
@settings(max_examples=12, deadline=None)
@given(stories())
def test_spark_counts_local_days_as_plain_python_does(story: tuple[Case, str, dict[str, Any]]) -> None:
    pytest.importorskip("pyspark", reason="Spark is an extra")
    compare(*story, "spark")


def crowded_case(window: Window, seed: int) -> Case:
    """Return a case with heavy lines whose events are spread over the whole period."""
    rng = np.random.default_rng(seed)
    start, end = period(window)
    span = (end - start) // dt.timedelta(seconds=1)
    events = [
        (PEOPLE[int(who)], start + dt.timedelta(seconds=int(second)), SITES[int(site)], "")
        for who, second, site in zip(
            rng.integers(0, 6, 600), rng.integers(-3600, span + 3600, 600), rng.integers(0, 5, 600), strict=True
        )
    ]
    return events, [(who, start - dt.timedelta(days=1), end + dt.timedelta(days=9)) for who in PEOPLE]


@pytest.mark.parametrize("window", [SPRING, AUTUMN, KOLKATA], ids=lambda window: f"{window[0]} {window[1]}")
def test_engines_agree_on_heavy_lines(window: Window) -> None:
    for seed, counted in enumerate(COUNTED):
        compare(crowded_case(window, seed), counted[0], question_of_days(window, counted) | {"max_cells": 1 + 3 * seed})


@pytest.mark.long
@pytest.mark.parametrize(
    ("window", "some"), [(QUIET, COUNTED[::5]), (KOLKATA, COUNTED)], ids=["Europe/Paris", "Asia/Kolkata"]
)
def test_in_a_period_with_one_offset_arithmetic_answers_as_the_clock_does(
    window: Window, some: Sequence[Counted]
) -> None:
    for seed, counted in enumerate(some):
        case = crowded_case(window, seed)
        with tempfile.TemporaryDirectory() as folder:
            q = question_of(ingested(Path(folder), case), case, counted[0], **question_of_days(window, counted))
            by_clock = replace(q)
            by_clock.__dict__["clock"] = replace(q.clock, offset_us=None)
            texts = [reference_sql.query(one, "contribution") for one in (q, by_clock)]
            assert ["JOIN clock" in text for text in texts] == [False, True]
            even, looked_up = answer(q, "duckdb"), answer(by_clock, "duckdb")
            assert chosen_cells(even) == chosen_cells(looked_up)
            assert cells_of_answer(even) == cells_of_answer(looked_up)
            assert cells_of_answer(even)


def test_where_clocks_move_by_half_an_hour_both_engines_agree() -> None:
    window = ("Australia/Lord_Howe", dt.date(2026, 4, 4), 3)
    for seed, counted in enumerate(COUNTED):
        if counted[1] == DAY_US:
            compare(crowded_case(window, seed), counted[0], question_of_days(window, counted) | {"max_cells": 4})
    by_hour = question_of_days(window, ("presence", HOUR_US, True))
    with tempfile.TemporaryDirectory() as folder:
        case = crowded_case(window, 9)
        q = question_of(ingested(Path(folder), case), case, **by_hour)
        assert q.times == 24 + 25 + 24, "the last hour before the clock goes back is followed by half of it"
        assert cells_of_answer(answer(q, "duckdb")) == cells_of_answer(answer(q, "kernel"))


def stays(folder: Path, window: Window, events: list[tuple[int, str, str]], engine: str, **other: Any) -> set[Any]:
    """Return the date, zone and events of each night's stay of PEOPLE[0], whose events are at local times."""
    start, end = period(window)
    case: Case = (
        [(PEOPLE[0], dt.datetime.fromisoformat(when), site, kind) for when, site, kind in _spelled(events)],
        [(PEOPLE[0], start - dt.timedelta(days=1), end + dt.timedelta(days=9))],
    )
    q = question_of(
        ingested(folder, case),
        case,
        "stays",
        **question_of_days(window, ("stays", DAY_US, False)) | {"max_events": 99} | other,
    )
    return {
        (_date(q, time), zone, events_) for (zone, time, _), (_, events_) in cells_of_answer(answer(q, engine)).items()
    }


def _spelled(events: list[tuple[int, str, str]]) -> list[tuple[str, str, str]]:
    return [(when, site, str(kind)) for kind, when, site in events]


def _date(q: CountingQuery, time: int) -> str:
    return local_clock(q, int(q.clock.bounds_us[time])).date().isoformat()


@pytest.mark.parametrize("engine", ["kernel", "duckdb"])
def test_a_stay_of_a_july_night_in_paris_is_of_the_date_it_begins_on(engine: str, tmp_path: Path) -> None:
    """From 23:30 to 07:00 in Paris; breakfast at half past six elsewhere is no night, though 04:30 in UTC is."""
    window = ("Europe/Paris", dt.date(2026, 7, 13), 3)
    hours = ("2026-07-14T23:30+02:00", "2026-07-15T01:15+02:00", "2026-07-15T05:59+02:00", "2026-07-15T07:00+02:00")
    night = [(n, when, "a") for n, when in enumerate(hours)]
    breakfast = [(n, f"2026-07-15T06:3{n}+02:00", "b") for n in range(9)]
    evening = [(n, f"2026-07-14T20:0{n}+02:00", "a") for n in range(2)]
    found = stays(tmp_path, window, night + breakfast + evening, engine)
    assert found == {("2026-07-14", 0, 5)}


@pytest.mark.parametrize("engine", ["kernel", "duckdb"])
@pytest.mark.parametrize(("window", "day", "hours"), [(SPRING, "03-28", 9), (AUTUMN, "10-24", 11)])
def test_a_night_when_clocks_change_has_nine_or_eleven_hours(
    engine: str, window: Window, day: str, hours: int, tmp_path: Path
) -> None:
    start, _ = period(window)
    every = [(n, (start + dt.timedelta(hours=n, minutes=30)).isoformat(), "a") for n in range(24 + 7)]
    found = stays(tmp_path, window, every, engine)
    assert found == {(f"2026-{day}", 0, hours)}, "the first morning is of a night before the period"


@pytest.mark.parametrize(("counted", "max_cells"), [(counted, most) for counted in COUNTED for most in (1, 3)])
def test_one_local_day_of_a_person_changes_no_more_than_the_noise_is_for(counted: Counted, max_cells: int) -> None:
    """The day of 25 hours too: what is removed is one person's events from midnight to midnight on the local clock."""
    product, step_us, _ = counted
    start, end = period(AUTUMN)
    s = specification(
        3,
        product=product,
        grain="day" if step_us == DAY_US else "hour",
        period_from=start,
        period_to=end,
        unit="day",
        max_cells=max_cells,
        max_events=2,
        max_zones=2 if product == "presence" else 0,
        time_zone=AUTUMN[0],
    )
    case = crowded_case(AUTUMN, 50)
    whole = _counted(case, counted, max_cells)
    for day in range(3):
        date = AUTUMN[1] + dt.timedelta(days=day)
        low, high = midnight(date, AUTUMN[0]), midnight(date + dt.timedelta(days=1), AUTUMN[0])
        less = ([one for one in case[0] if one[0] != PEOPLE[1] or not low <= one[1] < high], case[1])
        without = _counted(less, counted, max_cells)
        keys = whole[0].keys() | without[0].keys()
        moved = np.abs([np.subtract(whole[0].get(key, (0, 0)), without[0].get(key, (0, 0))) for key in keys])
        for column, part in enumerate(("people", "events")):
            total, squares = s.sensitivities(part)
            assert moved[:, column].sum() <= total
            assert (moved[:, column] ** 2).sum() <= squares
        if s.max_zones:
            total, squares = s.sensitivities("totals")
            change = np.abs(whole[1] - without[1])
            assert change.sum() <= total
            assert (change**2).sum() <= squares


def _counted(case: Case, counted: Counted, max_cells: int) -> tuple[dict[Any, tuple[int, int]], np.ndarray]:
    stated = question_of_days(AUTUMN, counted) | {"unit_us": DAY_US, "max_cells": max_cells}
    with tempfile.TemporaryDirectory() as folder:
        q = question_of(ingested(Path(folder), case), case, counted[0], **stated)
        found = answer(replace(q), "kernel")
        return cells_of_answer(found), np.zeros(1) if found.totals is None else found.totals
