"""Three engines and fifty lines of plain Python answer the same; and what one person can change of the answer."""

import functools
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marketplace.datasets.builds import reference_sql
from marketplace.datasets.builds.counting_query import Aggregate, CountingQuery
from marketplace.datasets.builds.kernel import _below_prime
from marketplace.privacy.cell_choice import HASH_PRIME, hash_keys
from marketplace.privacy.specification import Specification
from tests.datasets.builders import at
from tests.datasets.builds import engines
from tests.datasets.builds.engines import (
    ASKED,
    DAY_US,
    ENGINES,
    HOUR_US,
    PEOPLE,
    Case,
    answer,
    big,
    cells_of_answer,
    chosen_cells,
    compare,
    question_of,
)
from tests.privacy.specs import specification


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(engines.cases, st.sampled_from(ASKED))
def test_each_engine_equals_plain_python(case: Case, asked: tuple[str, dict[str, Any]]) -> None:
    compare(case, *asked)


@pytest.mark.deep
@settings(max_examples=12, deadline=None)
@given(engines.cases, st.sampled_from(ASKED))
def test_spark_equals_plain_python(case: Case, asked: tuple[str, dict[str, Any]]) -> None:
    pytest.importorskip("pyspark", reason="Spark is an extra")
    compare(case, *asked, "spark")


@pytest.mark.parametrize("product", ["presence", "flows", "arrivals", "stays"])
@pytest.mark.parametrize("max_cells", [1, 7, 30])
def test_heavy_lines_are_bounded_alike(product: str, max_cells: int) -> None:
    compare(big(max_cells), product, {"max_cells": max_cells})


def test_ties_of_the_hash_are_broken_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys of zero every cell of a person has one hash: place and time decide."""
    zeros = (0,) * 7
    monkeypatch.setattr(engines, "KEYS", zeros)
    compare(big(3), "presence", {"hash_keys": zeros, "max_cells": 5})


AnswerQuery = Callable[["CountingQuery"], "Aggregate"]


def flaws(case: Case, who: int, asked: tuple[str, dict[str, Any]], *answers: AnswerQuery) -> list[str | None]:
    """Return what each of these answers has wrong with how far one person reaches, None within the declared bound."""
    product, other = asked
    without = ([event for event in case[0] if event[0] != who], case[1])
    with tempfile.TemporaryDirectory() as name:
        queries = []
        for part, there in (("with", case), ("without", without)):
            folder = Path(name) / part
            folder.mkdir()
            queries.append(question_of(engines.ingested(folder, there), there, product, **other))
        return [_flaw(who, *map(one, queries)) for one in answers]


def _flaw(who: int, found: Aggregate, left: Aggregate) -> str | None:
    q, before, after = found.question, cells_of_answer(found), cells_of_answer(left)
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
    if found.totals is not None and left.totals is not None and np.abs(found.totals - left.totals).max() > q.max_zones:
        return "a person counts in too many zones of a total"
    return None


@pytest.mark.long
@settings(max_examples=15, deadline=None)
@given(engines.cases, st.sampled_from(PEOPLE), st.sampled_from(ASKED))
def test_one_person_changes_no_more_than_the_bound(case: Case, who: int, asked: tuple[str, dict[str, Any]]) -> None:
    assert flaws(case, who, asked, *(functools.partial(answer, engine=name) for name in ENGINES)) == [None, None]


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
            counted.append(
                cells_of_answer(
                    answer(question_of(engines.ingested(Path(name), there), there, product, **stated), "kernel")
                )
            )
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


@pytest.mark.long
def test_the_sensitivity_test_convicts_planted_faults(tmp_path: Path) -> None:
    text = reference_sql.AGGREGATE.read_text(encoding="utf-8")
    answers = [functools.partial(answer, engine="duckdb")]
    for number, (right, wrong) in enumerate(
        (
            ("LEAST(ranked.events, s.max_events)", "ranked.events"),
            (
                "PARTITION BY hashed.subscriber_id, hashed.unit_at_us ORDER",
                "PARTITION BY hashed.subscriber_id, hashed.zone ORDER",
            ),
            ("PARTITION BY hashed.subscriber_id, hashed.unit_at_us ORDER", "ORDER"),
            ("ranked.place_in_line <= s.max_cells", "ranked.place_in_line <= 2 * s.max_cells"),
        )
    ):
        assert right in text
        planted = tmp_path / f"{number}.sql"
        planted.write_text(text.replace(right, wrong), encoding="utf-8")
        answers.append(functools.partial(answer, engine="duckdb", planted=planted))
    # One bucket: a fault across people is otherwise hidden by who shares a bucket with whom.
    honest, *faults = zip(*(flaws(big(1), who, ("presence", {}), *answers) for who in PEOPLE[:2]), strict=True)
    assert not any(honest)
    assert all(any(found) for found in faults), faults


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_the_kernel_reduces_as_the_percent_sign_does(values: list[int]) -> None:
    reduced = _below_prime(np.array(values, np.uint64))
    assert reduced.tolist() == [value % HASH_PRIME for value in values]


def _hours(keys: tuple[int, ...], case: Case, folder: Path) -> Iterator[tuple[int, int]]:
    q = question_of(engines.ingested(folder, case), case, max_cells=1, hash_keys=keys)
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
