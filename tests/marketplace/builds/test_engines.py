"""Three engines and fifty lines of plain Python answer the same; and what one person can change of the answer."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.builds import reference_sql
from marketplace.builds.kernel import _below_prime
from marketplace.privacy.cell_choice import HASH_PRIME, hash_keys
from tests.marketplace.builds import engines
from tests.marketplace.builds.engines import DAY_US, HOUR_US, PEOPLE, Case, added, answer, ask, cells, chosen_cells
from tests.marketplace.datasets.builders import at
from tests.marketplace.privacy.specs import specification

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marketplace.builds.counting_query import CountingQuery
    from marketplace.privacy.specification import Specification

WEEKLY = {"step_us": 7 * DAY_US, "unit_us": 7 * DAY_US, "period_from_us": engines.microseconds(at(-120))}
"""The week from the Monday before."""
ASKED = (
    ("presence", {}),
    ("presence", {"step_us": DAY_US}),
    ("presence", {"unit_us": DAY_US, "max_zones": 2}),
    ("flows", {}),
    ("flows", {"step_us": DAY_US, "max_cells": 1}),
    ("arrivals", {}),
    ("presence", WEEKLY),
    ("arrivals", WEEKLY | {"max_cells": 1}),
    ("stays", {}),
)


def compare(case: Case, product: str, other: dict[str, Any], engine: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        q = ask(engines.ingested(Path(name), case), case, product, **other)
        wanted = engines.reference(q, case)
        found = answer(q, engine)
        assert cells(found) == added(wanted)
        assert chosen_cells(found) == {(who, cell) for who, cell, _ in wanted}
        keys = found.cells()[0][::2]
        who, weight = found.weights(keys)
        row = keys // q.segments
        counted = set(
            zip((row // q.times).tolist(), (row % q.times).tolist(), (keys % q.segments).tolist(), strict=True)
        )
        expected = Counter(person for person, cell, _ in wanted if cell in counted)
        assert dict(zip(who.tolist(), weight.tolist(), strict=True)) == expected
        assert (np.diff(who) > 0).all()
        assert found.totals is None or found.totals.tolist() == _totals(q, case)


def _totals(q: CountingQuery, case: Case) -> list[int]:
    everything = engines.reference(engines.replace(q, max_cells=1000), case)
    visits = Counter((who, cell[1]) for who, cell, _ in everything)
    totals = [0] * q.times
    for (_, time), count in visits.items():
        totals[time] += min(count, q.max_zones)
    return totals


@pytest.mark.parametrize("engine", ["kernel", "duckdb"])
@settings(max_examples=40, deadline=None)
@given(engines.cases, st.sampled_from(ASKED))
def test_each_engine_equals_plain_python(engine: str, case: Case, asked: tuple[str, dict[str, Any]]) -> None:
    compare(case, *asked, engine)


@pytest.mark.deep
@settings(max_examples=12, deadline=None)
@given(engines.cases, st.sampled_from(ASKED))
def test_spark_equals_plain_python(case: Case, asked: tuple[str, dict[str, Any]]) -> None:
    pytest.importorskip("pyspark", reason="Spark is an extra")
    compare(case, *asked, "spark")


def big(seed: int) -> Case:
    """Return a case with heavy lines, duplicates, instants of whole seconds and of single microseconds."""
    rng = np.random.default_rng(seed)
    events = [
        (PEOPLE[int(who)], at(float(hour)), engines.SITES[int(site)], "")
        for who, hour, site in zip(
            np.minimum(rng.geometric(0.35, 900) - 1, 5),
            np.round(rng.uniform(-1, 49, 900) * 90) / 90,
            rng.integers(0, 5, 900),
            strict=True,
        )
    ]
    consents = [(who, at(float(rng.uniform(-3, 20))), at(1000)) for who in PEOPLE]
    return events + events[:300], consents


@pytest.mark.parametrize("product", ["presence", "flows", "arrivals", "stays"])
@pytest.mark.parametrize("max_cells", [1, 7, 30])
def test_heavy_lines_are_bounded_alike(product: str, max_cells: int) -> None:
    for engine in ("kernel", "duckdb"):
        compare(big(max_cells), product, {"max_cells": max_cells}, engine)


def test_ties_of_the_hash_are_broken_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys of zero every cell of a person has one hash: place and time decide."""
    zeros = (0,) * 7
    monkeypatch.setattr(engines, "KEYS", zeros)
    for engine in ("kernel", "duckdb"):
        compare(big(3), "presence", {"hash_keys": zeros, "max_cells": 5}, engine)


def flaw(
    case: Case, who: int, asked: tuple[str, dict[str, Any]], engine: str, planted: Path | None = None
) -> str | None:
    """Return what is wrong with how far one person reaches, None when all is within the declared bound."""
    product, other = asked
    with tempfile.TemporaryDirectory() as name:
        one, two = (Path(name) / part for part in ("with", "without"))
        one.mkdir()
        two.mkdir()
        q = ask(engines.ingested(one, case), case, product, **other)
        without = ([event for event in case[0] if event[0] != who], case[1])
        found = answer(q, engine, planted)
        left = answer(ask(engines.ingested(two, without), without, product, **other), engine, planted)
        before, after = cells(found), cells(left)
        moved = {
            key: tuple(a - b for a, b in zip(before.get(key, (0, 0)), after.get(key, (0, 0)), strict=True))
            for key in before.keys() | after.keys()
        }
        people, events = (np.array([change[n] for change in moved.values()]) for n in (0, 1))
        units = -(-(q.period_to_us - q.period_from_us) // q.unit_us)
        most = q.max_cells * units
        if {key for key in chosen_cells(found) if key[0] != who} != chosen_cells(left):
            return "removing a person changed another's cells"
        if np.abs(people).sum() > most or (people**2).sum() > most:
            return "a person changes too many cells"
        if np.abs(events).sum() > most * q.max_events or (events**2).sum() > most * q.max_events**2:
            return "a person adds too many events"
        if found.totals is not None and left.totals is not None:
            change = np.abs(found.totals - left.totals)
            if change.max() > q.max_zones:
                return "a person counts in too many zones of a total"
    return None


@pytest.mark.parametrize("engine", ["kernel", "duckdb"])
@settings(max_examples=15, deadline=None)
@given(engines.cases, st.sampled_from(PEOPLE), st.sampled_from(ASKED))
def test_one_person_changes_no_more_than_the_bound(
    engine: str, case: Case, who: int, asked: tuple[str, dict[str, Any]]
) -> None:
    assert flaw(case, who, asked, engine) is None


DAYS = (("presence", HOUR_US), ("flows", HOUR_US), ("flows", DAY_US), ("arrivals", HOUR_US), ("stays", DAY_US))


def moved_by_a_day(case: Case, who: int, day: int, asked: tuple[str, int], max_cells: int) -> np.ndarray:
    """Return what removing one person's events of one day changes: of each cell, people and events."""
    product, step_us = asked
    stated = {"unit_us": DAY_US, "step_us": step_us, "max_cells": max_cells}
    counted = []
    for kept in (
        case[0],
        [one for one in case[0] if one[0] != who or not at(24 * day) <= one[1] < at(24 * day + 24)],
    ):
        with tempfile.TemporaryDirectory() as name:
            there = (kept, case[1])
            counted.append(cells(answer(ask(engines.ingested(Path(name), there), there, product, **stated), "kernel")))
    keys = counted[0].keys() | counted[1].keys()
    return np.array([np.subtract(counted[0].get(key, (0, 0)), counted[1].get(key, (0, 0))) for key in keys]).reshape(
        -1, 2
    )


def promised(product: str, step_us: int, max_cells: int) -> Specification:
    grain = "day" if step_us == DAY_US else "hour"
    return specification(3, product=product, grain=grain, hours=48, unit="day", max_cells=max_cells, max_events=2)


@settings(max_examples=25, deadline=None)
@given(engines.cases, st.sampled_from(PEOPLE), st.integers(0, 1), st.sampled_from(DAYS), st.integers(1, 3))
def test_one_day_of_a_person_changes_no_more_than_the_bound(
    case: Case, who: int, day: int, asked: tuple[str, int], max_cells: int
) -> None:
    always = (case[0], [(one, at(-2), at(90)) for one in PEOPLE])
    moved = np.abs(moved_by_a_day(always, who, day, asked, max_cells))
    s = promised(*asked, max_cells)
    for column, part in enumerate(("people", "events")):
        total, squares = s.sensitivities(part)
        assert moved[:, column].sum() <= total
        assert (moved[:, column] ** 2).sum() <= squares


def test_a_day_reaches_beyond_the_cells_that_are_counted_on_it() -> None:
    """With one cell a day, removing a day moves three nights' cells, or three trips': the noise is for four and three."""
    who = PEOPLE[1]
    consents = [(who, at(-2), at(90))]
    nights = [(who, at(hour), site, "") for hour, site in ((21, "a"), (25, "b"), (26, "b"), (45, "c"))]
    assert np.abs(moved_by_a_day((nights, consents), who, 1, ("stays", DAY_US), 1)[:, 0]).sum() == 3
    assert promised("stays", DAY_US, 1).sensitivities("people") == (4, 4)
    most = 0
    for later in (30, 31, 32, 33, 34):
        trips = [
            (who, at(hour), site, "")
            for hour, site in ((22, "b"), (23, "a"), (25, "b"), (later, "c"), (later + 1, "a"))
        ]
        most = max(most, int(np.abs(moved_by_a_day((trips, consents), who, 0, ("flows", HOUR_US), 1)[:, 0]).sum()))
    assert most == 3
    assert promised("flows", HOUR_US, 1).sensitivities("people") == (3, 3)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("LEAST(ranked.events, s.max_events)", "ranked.events"),
        (
            "PARTITION BY hashed.subscriber_id, hashed.unit_at_us ORDER",
            "PARTITION BY hashed.subscriber_id, hashed.zone ORDER",
        ),
        ("PARTITION BY hashed.subscriber_id, hashed.unit_at_us ORDER", "ORDER"),
        ("ranked.place_in_line <= s.max_cells", "ranked.place_in_line <= 2 * s.max_cells"),
    ],
)
def test_the_sensitivity_test_convicts_planted_faults(right: str, wrong: str, tmp_path: Path) -> None:
    text = reference_sql.AGGREGATE.read_text(encoding="utf-8")
    assert right in text
    planted = tmp_path / "planted.sql"
    planted.write_text(text.replace(right, wrong), encoding="utf-8")
    # One bucket: a fault across people is otherwise hidden by who shares a bucket with whom.
    heavy = big(1)
    asked = ("presence", {})
    people = (PEOPLE[0], PEOPLE[1])
    assert not any(flaw(heavy, who, asked, "duckdb") for who in people)
    assert any(flaw(heavy, who, asked, "duckdb", planted) for who in people)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_the_kernel_reduces_as_the_percent_sign_does(values: list[int]) -> None:
    reduced = _below_prime(np.array(values, np.uint64))
    assert reduced.tolist() == [value % HASH_PRIME for value in values]


def _hours(keys: tuple[int, ...], case: Case, folder: Path) -> Iterator[tuple[int, int]]:
    q = ask(engines.ingested(folder, case), case, max_cells=1, hash_keys=keys)
    for who, (_, time, _) in chosen_cells(answer(q, "kernel")):
        yield who, time


def test_the_hash_chooses_evenly_and_differently_for_other_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = tuple(range(300))
    monkeypatch.setattr(engines, "SEGMENT", dict.fromkeys(people, 0))
    monkeypatch.setattr(engines, "HOME", dict.fromkeys(people, 0))
    case: Case = (
        [(who, at(hour), "a", "") for who in people for hour in range(4)],
        [(who, at(-1), at(1000)) for who in people],
    )
    one = dict(_hours(engines.KEYS, case, tmp_path))
    other = dict(_hours(hash_keys(b"another secret", "a specification"), case, tmp_path))
    shares = Counter(one.values())
    assert len(shares) == 4
    # Binomial(300, 1/4) leaves [25, 130] with a probability below 1e-9.
    assert all(25 <= share <= 130 for share in shares.values())
    assert one != other
    assert HOUR_US * 24 == DAY_US
