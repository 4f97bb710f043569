"""The one SQL definition against fifty lines of plain Python on random worlds, and what one person can change of it."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.datasets import aggregation, inputs, rules
from marketplace.datasets.aggregation import Aggregation, microseconds
from tests.marketplace.datasets.worlds import BANDS, ELSEWHERE, END, RESOLUTION, START, ZONES, at, write

if TYPE_CHECKING:
    from collections.abc import Iterable

World = tuple[list[tuple[int, dt.datetime, str]], dict[int, list[tuple[dt.datetime, dt.datetime | None]]]]
"""Events, and each person's merged consent intervals."""
KEYS = rules.hash_keys("a secret of the tests", "a specification")
STARTED = END + dt.timedelta(days=1)
P = rules.HASH_PRIME

instants = st.sampled_from([-0.001, 0, 0.999, 1, 1.5, 24, 24.5, 25, 26, 47.999, 48]).map(at)
events = st.lists(st.tuples(st.integers(0, 5), instants, st.sampled_from([*ZONES[:3], ELSEWHERE])), max_size=40)
consents = st.lists(st.sampled_from([-2, 0, 1, 1.5, 24, 26, 48, 90]), unique=True, max_size=5).map(
    lambda cuts: [
        (at(a), at(b)) for a, b in zip(sorted(cuts)[::2], [*sorted(cuts)[1::2], 10_000], strict=False)
    ]
)  # fmt: skip
worlds = st.tuples(events, st.dictionaries(st.integers(0, 5), consents))


def specification(**other: Any) -> rules.Specification:
    stated: dict[str, Any] = {
        "dataset": "lyon", "purpose": "presence.statistics", "zones": ZONES, "age_bands": BANDS,
        "resolution": RESOLUTION, "grain": "hour", "period_from": START, "period_to": END, "max_cells": 2,
        "max_events": 2, "epsilon_micro": 2_000_000,
    }  # fmt: skip
    return rules.Specification(**stated | other)


def reference(spec: rules.Specification, world: World) -> set[tuple[int, int, int, int, int]]:
    """Return (person, zone, start, segment, events) of every contribution, slowly and plainly."""
    counted: dict[int, dict[tuple[int, int], int]] = defaultdict(lambda: defaultdict(int))
    for who, when, zone in set(world[0]):
        stands = any(
            began <= when and began <= STARTED and (ended is None or (when < ended and ended > STARTED))
            for began, ended in world[1].get(who, [])
        )
        if stands and START <= when < END and zone in ZONES:
            start = START + (when - START) // spec.step * spec.step
            counted[who][int(zone, 16), microseconds(start)] += 1
    chosen = set()
    for who, cells in counted.items():

        def draw(cell: tuple[int, int], who: int = who) -> tuple[int, int, int]:
            zone, start = cell
            since = start - microseconds(START)
            x = (who % P * KEYS[1] % P + zone % P * KEYS[2] % P + since % P * KEYS[3] % P + KEYS[0]) % P
            u = (((x * KEYS[4] + KEYS[5]) % P * x + KEYS[6]) % P * x + KEYS[0]) % P
            return u, zone, start

        for zone, start in sorted(cells, key=draw)[: spec.max_cells]:
            chosen.add((who, zone, start, who % 2, min(cells[zone, start], spec.max_events)))
    return chosen


def contributions(
    spec: rules.Specification, world: World, definition: Path = aggregation.AGGREGATE
) -> set[tuple[int, int, int, int, int]]:
    """Return the same from the definition, run as a build runs it; its cells must be its contributions added up."""
    consent = [
        {"subscriber": who, "valid_from_us": microseconds(a), "valid_to_us": None if b is None else microseconds(b)}
        for who, intervals in world[1].items()
        for a, b in intervals
    ]
    with tempfile.TemporaryDirectory() as name:
        files = write(Path(name), world[0], range(6))
        with Aggregation(spec, Path(name) / "scratch", definition) as build:
            build.check(**files)
            build.count(consent, KEYS, STARTED)  # type: ignore[arg-type]
            chosen = inputs.rows(
                build.database, "SELECT subscriber_id, zone, starts_at_us, segment, events FROM contribution"
            )
            cells = inputs.rows(build.database, "SELECT zone, starts_at_us, segment, people, events FROM cell")
    added: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for _, zone, start, segment, count in chosen:
        added[zone, start, segment][0] += 1
        added[zone, start, segment][1] += count
    assert {tuple(cell) for cell in cells} == {(*key, *counts) for key, counts in added.items()}
    assert len(chosen) == len(set(chosen))
    return set(chosen)


@settings(max_examples=60, deadline=None)
@given(worlds, st.sampled_from(["hour", "day"]))
def test_the_definition_equals_plain_python(world: World, grain: str) -> None:
    spec = specification(grain=grain)
    assert contributions(spec, world) == reference(spec, world)


def flaw(spec: rules.Specification, world: World, who: int, definition: Path = aggregation.AGGREGATE) -> str | None:
    """Return what is wrong with how far `who` reaches, None when all is within the bound."""
    with_them = contributions(spec, world, definition)
    without = contributions(spec, ([event for event in world[0] if event[0] != who], world[1]), definition)
    theirs = with_them - without
    if without - with_them or any(row[0] != who for row in theirs):
        return "removing a person changed another's rows"
    if len(theirs) > spec.max_cells:
        return "a person counts in too many cells"
    if any(row[4] > spec.max_events for row in theirs):
        return "a person adds too many events to a cell"
    return None


@settings(max_examples=25, deadline=None)
@given(worlds, st.integers(0, 5))
def test_one_person_changes_no_more_than_the_bound(world: World, who: int) -> None:
    assert flaw(specification(), world, who) is None


HEAVY: World = (
    [
        (who, at(hour + tenth / 10), zone)
        for who in (1, 2) for hour in (1, 2, 3) for tenth in range(4) for zone in ZONES[:2]
    ],
    {1: [(at(-1), None)], 2: [(at(-1), None)]},
)  # fmt: skip


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("LEAST(ranked.events, s.max_events)", "ranked.events"),
        ("PARTITION BY hashed.subscriber_id ORDER", "PARTITION BY hashed.subscriber_id, hashed.zone ORDER"),
        ("PARTITION BY hashed.subscriber_id ORDER", "ORDER"),
        ("ranked.place_in_line <= s.max_cells", "ranked.place_in_line <= 2 * s.max_cells"),
    ],
)
def test_the_sensitivity_test_convicts_planted_faults(right: str, wrong: str, tmp_path: Path) -> None:
    text = aggregation.AGGREGATE.read_text(encoding="utf-8")
    assert right in text
    planted = tmp_path / "planted.sql"
    planted.write_text(text.replace(right, wrong), encoding="utf-8")
    assert flaw(specification(), HEAVY, 1) is None
    assert any(flaw(specification(), HEAVY, who, planted) for who in (1, 2))


def test_the_hash_chooses_evenly_and_differently_for_other_keys() -> None:
    spec = specification(max_cells=1)
    people = range(300)
    world: World = (
        [(who, at(hour), ZONES[0]) for who in people for hour in range(4)],
        {who: [(at(-1), None)] for who in people},
    )

    def hours(keys: Iterable[int]) -> dict[int, int]:
        with tempfile.TemporaryDirectory() as name:
            files = write(Path(name), world[0], people)
            with Aggregation(spec, Path(name) / "scratch") as build:
                build.check(**files)
                consent = [{"subscriber": who, "valid_from_us": 0, "valid_to_us": None} for who in people]
                build.count(consent, tuple(keys), STARTED)  # type: ignore[arg-type]
                return dict(inputs.rows(build.database, "SELECT subscriber_id, starts_at_us FROM contribution"))

    one, other = hours(KEYS), hours(rules.hash_keys("another secret", "a specification"))
    shares = [list(one.values()).count(start) for start in set(one.values())]
    assert len(shares) == 4
    # Binomial(300, 1/4) leaves [25, 130] with a probability below 1e-9.
    assert all(25 <= share <= 130 for share in shares)
    assert one != other
