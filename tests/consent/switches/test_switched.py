"""Switches in all engines, against plain Python; a person's switches change nobody else, and no more than the bound."""

import datetime as dt
import json
import tempfile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.consent.switches.rules import EVERYTHING, HOURS, WEEKDAYS, Scope
from marketplace.consent.switches.switch_arrays import Places, SwitchArrays
from marketplace.core.instants import FOREVER_US
from marketplace.core.line_index import LineIndex
from marketplace.datasets.builds.counting_query import CountingQuery
from marketplace.privacy.geography import H3, OwnZones
from tests.datasets.builds import engines
from tests.datasets.builds.engines import (
    ASKED,
    HOME,
    PEOPLE,
    SITES,
    ZONE_OF,
    Case,
    Event,
    added,
    answer,
    big,
    cells_of_answer,
    chosen_cells,
    question_of,
)

Rows = list[tuple[int, dt.datetime | None, Scope]]
"""Who, until when (None: nothing ended it) and what of theirs counts."""
FEATURES = [
    {"type": "Feature", "properties": {"code": code, "name": code, "parent": parent}, "geometry": None}
    for code, parent in (("north", ""), ("south", ""), ("a", "north"), ("b", "north"), ("c", "south"), ("d", "south"))
]
OWN = OwnZones.of("own", "of tests", json.dumps({"features": FEATURES}))
PARENT = {"a": "north", "b": "north", "c": "south", "d": "south"}

scopes = st.builds(
    Scope,
    sources=st.just(("presence",)),
    sectors=st.just(("retail",)),
    home=st.booleans(),
    elsewhere=st.booleans(),
    places=st.dictionaries(st.sampled_from(["a", "b", "c", "north", "south", "nowhere"]), st.booleans(), max_size=3),
    weekdays=st.sampled_from([WEEKDAYS, (6,), (7,), (1, 7)]),
    hours=st.sampled_from([HOURS, HOURS[:2], HOURS[1:22], (0, 2, 23)]),
    first_day=st.sampled_from([None, dt.date(2026, 3, 28), dt.date(2026, 3, 29)]),
    last_day=st.sampled_from([None, dt.date(2026, 3, 28), dt.date(2026, 3, 29)]),
)
ends = st.sampled_from([None, *(engines.at(hour) for hour in (0, 1, 1.25, 24.5, 30, 90))])
rows = st.lists(st.tuples(st.sampled_from(PEOPLE), ends, scopes), min_size=1, max_size=6)


def allows(scope: Scope, who: int, when: dt.datetime, site: str, time_zone: str) -> bool:
    """Say in plain words whether an event counts; a zone of which nobody can say where it lies is off where it is off."""
    local = when.astimezone(ZoneInfo(time_zone))
    named = [on for place, on in scope.places.items() if place in {site, PARENT.get(site)}]
    unknown = [on for place, on in scope.places.items() if (site == "elsewhere" or place == "nowhere") and not on]
    at_home = ZONE_OF[site] == HOME[who] if site in ZONE_OF else False
    if not all(named) or unknown or (at_home and not scope.home):
        return False
    if not named and not at_home and not scope.elsewhere:
        return False
    after = scope.first_day is None or local.date() >= scope.first_day
    before = scope.last_day is None or local.date() <= scope.last_day
    return after and before and local.isoweekday() in scope.weekdays and local.hour in scope.hours


def left(case: Case, switches: Rows, time_zone: str = "UTC") -> Case:
    """Return the case without the events that somebody's own words leave out."""

    def counts(event: Event) -> bool:
        who, when, site, _ = event
        words = [scope for of, until, scope in switches if of == who and (until is None or when < until)]
        return all(allows(scope, who, when, site, time_zone) for scope in words)

    return [event for event in case[0] if counts(event)], case[1]


def switched(q: CountingQuery, switches: Rows) -> CountingQuery:
    us = [(who, FOREVER_US if until is None else engines.microseconds(until), scope) for who, until, scope in switches]
    of = SwitchArrays.of(us)
    places = Places(*q.store.places(), (H3, OWN))
    return engines.replace(q, switched=of.bound(LineIndex(q.references).find(of.line), places))


def compare_switched(case: Case, switches: Rows, asked: tuple[str, dict[str, Any]], engine: str) -> None:
    product, other = asked
    with tempfile.TemporaryDirectory() as name:
        q = switched(question_of(engines.ingested(Path(name), case), case, product, **other), switches)
        wanted = engines.reference(q, left(case, switches, q.time_zone))
        found = answer(q, engine)
        assert cells_of_answer(found) == added(wanted)
        assert chosen_cells(found) == {(who, cell) for who, cell, _ in wanted}


@settings(max_examples=8, deadline=None)
@given(engines.cases, rows, st.sampled_from(ASKED))
def test_kernel_and_sql_honour_switches_as_plain_python_does(
    case: Case, switches: Rows, asked: tuple[str, dict[str, Any]]
) -> None:
    for engine in ("kernel", "duckdb"):
        compare_switched(case, switches, asked, engine)


@pytest.mark.deep
@settings(max_examples=60, deadline=None)
@given(engines.cases, rows, st.sampled_from(ASKED))
def test_the_kernel_honours_many_more_switches(case: Case, switches: Rows, asked: tuple[str, dict[str, Any]]) -> None:
    compare_switched(case, switches, asked, "kernel")


@pytest.mark.parametrize("engine", ["kernel", "duckdb"])
def test_hours_and_days_are_those_of_the_clock_where_people_are(engine: str) -> None:
    """In Paris the night of the 29th loses an hour, and eight in the evening of UTC is nine or ten."""
    local = {
        "time_zone": "Europe/Paris",
        "period_from_us": engines.microseconds(engines.at(-1)),
        "period_to_us": engines.microseconds(engines.at(46)),
        "unit_us": engines.DAY_US,
        "max_cells": 9,
    }
    evening = [(who, None, Scope(**EVERYTHING_BUT, hours=(21, 22), weekdays=(7,))) for who in PEOPLE]
    compare_switched(big(5), evening, ("presence", local), engine)


EVERYTHING_BUT: dict[str, Any] = {"sources": ("presence",), "sectors": ("retail",), "home": True, "elsewhere": True}


@pytest.mark.deep
@settings(max_examples=4, deadline=None)
@given(engines.cases, rows, st.sampled_from(ASKED))
def test_spark_honours_switches_as_plain_python_does(
    case: Case, switches: Rows, asked: tuple[str, dict[str, Any]]
) -> None:
    pytest.importorskip("pyspark", reason="Spark is an extra")
    compare_switched(case, switches, asked, "spark")


@settings(max_examples=6, deadline=None)
@given(engines.cases, rows, st.sampled_from(PEOPLE), st.sampled_from(ASKED))
def test_one_persons_switches_move_that_person_alone_and_within_the_bound(
    case: Case, switches: Rows, who: int, asked: tuple[str, dict[str, Any]]
) -> None:
    product, other = asked
    with tempfile.TemporaryDirectory() as name:
        q = question_of(engines.ingested(Path(name), case), case, product, **other)
        theirs = [row for row in switches if row[0] == who]
        before = answer(switched(q, [row for row in switches if row[0] != who]), "kernel")
        after = answer(switched(q, switches), "kernel")
        others = [{cell for cell in chosen_cells(found) if cell[0] != who} for found in (before, after)]
        assert others[0] == others[1]
        gone = chosen_cells(before) - chosen_cells(after) if theirs else set()
        assert len(gone) <= q.max_cells * -(-(q.period_to_us - q.period_from_us) // q.unit_us)


def test_excluding_home_removes_what_was_at_home_and_nothing_else() -> None:
    """Two people did the same at the same times; one of them does not let home count."""
    resident, neighbour = PEOPLE[1], PEOPLE[5]
    assert HOME[resident] == HOME[neighbour] == 0
    did = [(who, engines.at(hour), SITES[hour % 4], "") for who in (resident, neighbour) for hour in range(24)]
    case: Case = (did, [(who, engines.at(-2), engines.at(900)) for who in (resident, neighbour)])
    with tempfile.TemporaryDirectory() as name:
        q = question_of(engines.ingested(Path(name), case), case, max_cells=100)
        no_home = Scope(**EVERYTHING_BUT | {"home": False}, weekdays=WEEKDAYS, hours=HOURS)
        everything, without = (
            chosen_cells(answer(switched(q, [(resident, None, scope)]), "kernel")) for scope in (EVERYTHING, no_home)
        )
        gone = everything - without
        assert gone == {one for one in everything if one[0] == resident and one[1][0] == HOME[resident]}
        assert len(gone) == 6
        assert without < everything
