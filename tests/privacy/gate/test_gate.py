"""The release gate: each planted leak fails its own test, with a reason, and nothing else does."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pytest

from marketplace.core.local_time import midnight
from marketplace.core.settings import settings
from marketplace.datasets.builds import canary_counts
from marketplace.datasets.builds.cells_file import metadata_of
from marketplace.datasets.geography.rules import read_zone_table
from marketplace.datasets.releases import dossier
from marketplace.privacy import budget, drawing, noise
from marketplace.privacy.gate import findings as gate
from marketplace.privacy.geography import OwnZones
from marketplace.privacy.key_set import parent_zones
from marketplace.privacy.specification import Specification
from tests.privacy.specs import SECRET, counts_of, gaussian, specification, zones_side_by_side

YEAR = 100_000_000


def charged(s: Specification) -> dict[int, int]:
    return {year: units * s.unit_rho_nano for year, units in budget.years(s.period_from, s.period_to, s.unit).items()}


def candidate(
    s: Specification, secret: bytes = SECRET, people: np.ndarray | None = None, **other: Any
) -> gate.Candidate:
    rng = np.random.default_rng(3)
    true = rng.poisson(rng.gamma(1.0, 60.0, s.key_count)) if people is None else people
    cells = drawing.table(s, drawing.draw(s, counts_of(s, true), secret))
    return gate.Candidate(**{"specification": s, "cells": cells, "largest_weight": 1, "charged": charged(s)} | other)


CANARY_KEYS = (bytes(range(32)), bytes(range(32, 64)))


def prior(one: gate.Candidate, **other: Any) -> gate.PriorRelease:
    stated = {"release": "another", "specification": one.specification, "cells": one.cells, "charged": one.charged}
    return gate.PriorRelease(**stated | other)


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Let counting look for the operator's sites where there are none."""
    monkeypatch.setenv("PARTAGE_STATE", str(tmp_path))
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def findings(one: gate.Candidate, others: list[gate.PriorRelease], year: int = YEAR) -> list[gate.Finding]:
    return gate.findings(one, others, year, canary_counts.count(one.specification), CANARY_KEYS)


def failed(one: gate.Candidate, others: list[gate.PriorRelease], year: int = YEAR) -> list[str]:
    found = findings(one, others, year)
    assert gate.reasons(found) == [gate.REASONS[finding.test] for finding in found if not finding.passed]
    assert {finding.criterion for finding in found} == set(gate.CRITERIA)
    return [finding.test for finding in found if not finding.passed]


@pytest.mark.long
@pytest.mark.parametrize(
    "s",
    [
        specification(20),
        *(pytest.param(s, marks=pytest.mark.deep) for s in (gaussian(20), specification(49, parent_resolution=7))),
    ],
)
def test_an_honest_release_passes_beside_honest_others(s: Specification) -> None:
    one = candidate(s)
    again = candidate(dataclasses.replace(s, revision=2), b"another draw")
    days = candidate(dataclasses.replace(s, dataset="days", grain="day", parent_resolution=0), b"yet another")
    assert failed(one, [prior(again), prior(days)]) == []
    assert failed(days, [prior(one)]) == []


def test_a_cell_below_the_threshold_fails() -> None:
    one = candidate(specification(20))
    people = one.cells["people"].to_numpy().copy()
    people[3] = one.specification.threshold - 1
    cells = one.cells.set_column(3, "people", pa.array(people))
    assert failed(dataclasses.replace(one, cells=cells), []) == ["threshold"]


def test_somebody_in_more_cells_than_the_bound_fails_and_the_finding_does_not_say_how_many() -> None:
    s = specification(20)
    assert failed(candidate(s, largest_weight=s.max_cells), []) == []
    one = candidate(s, largest_weight=s.max_cells + 1)
    assert failed(one, []) == ["bounds"]
    assert s.max_cells + 1 not in next(f for f in findings(one, []) if f.test == "bounds").figures.values()
    daily = specification(20, unit="day", hours=72)
    assert failed(candidate(daily, largest_weight=3 * daily.max_cells), []) == []


def test_the_same_draws_on_changed_input_fail() -> None:
    """As if noise were keyed by the specification alone: after a withdrawal, the difference is the person."""
    s = specification(20)
    true = np.random.default_rng(3).poisson(80, s.key_count)
    one = candidate(s, people=true)
    cells = one.cells.to_pydict()
    cells["people"] = [count - (number == 7) for number, count in enumerate(cells["people"])]
    copied = prior(
        one, cells=pa.table(cells, schema=one.cells.schema), specification=dataclasses.replace(s, revision=2)
    )
    assert failed(one, [copied]) == ["differences"]


def test_a_release_that_was_not_charged_fails_and_so_does_a_year_that_is_overspent() -> None:
    s = specification(20)
    one, other = candidate(s), candidate(dataclasses.replace(s, revision=2), b"another draw")
    assert failed(dataclasses.replace(one, charged={}), []) == ["charges"]
    assert failed(one, [prior(other, charged={2026: s.unit_rho_nano - 1})]) == ["charges"]
    assert failed(one, [prior(other)], 3_900_000) == ["joint loss"]
    assert failed(one, [prior(other)], 4_000_000) == []


def test_a_sum_over_one_withheld_zone_fails() -> None:
    s = specification(49, parent_resolution=7)
    one = candidate(s)
    names, parent = parent_zones(s.zones, 7)
    # The parent's zones but one are published by themselves, at one time and band: the rest is that one zone.
    zones = [zone for zone, at in zip(s.zones, parent, strict=True) if at == 0]
    when, band = s.period_from, s.segments[0]
    rows = [
        {"zone": zone, "starts_at": when, "segment": band, "people": 99, "events": 99}
        for zone in [*zones[1:], names[0]]
    ]
    planted = pa.Table.from_pylist(rows, schema=one.cells.schema)
    assert failed(dataclasses.replace(one, cells=planted), []) == ["totals less parts"]
    spared = pa.Table.from_pylist(rows[1:], schema=one.cells.schema)
    assert failed(dataclasses.replace(one, cells=spared), []) == []


def test_a_day_without_noise_reveals_its_lone_withheld_hour() -> None:
    """The only total that subtraction can use is one whose own noise is missing, over a single part."""
    s = specification(20)
    days = dataclasses.replace(s, grain="day")
    assert gate._adds_up(s, days)
    assert not gate._adds_up(days, s)
    assert not gate._adds_up(s, s)
    totals = [(s.zones[0], s.period_from, segment) for segment in s.segments]
    hours = [(s.zones[0], s.period_from + dt.timedelta(hours=h), s.segments[0]) for h in range(23)]
    withheld, size = gate._parts(days, cells_of_rows(totals), s, cells_of_rows(hours))
    assert withheld.tolist() == [1, 24]
    assert size.tolist() == [24, 24]


def cells_of_rows(rows: list[tuple[str, dt.datetime, str]]) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    at = pa.array(columns[1], pa.timestamp("us", tz="UTC"))
    return pa.table({"zone": columns[0], "starts_at": at, "segment": columns[2], "people": [99] * len(rows)})


def test_zones_are_subtracted_from_those_that_hold_them_in_whichever_release_they_are() -> None:
    """One dataset by small zones and hours, another by what holds them and days: every part but one is published."""
    area = zones_side_by_side(1, 7)
    small = dataclasses.replace(specification(1), zones=tuple(sorted(h3.cell_to_children(area[0], 8))))
    for large, times in (
        (dataclasses.replace(small, zones=area, resolution=7), 1),
        (dataclasses.replace(small, zones=area, resolution=7, grain="day"), 24),
    ):
        assert gate._adds_up(small, large)
        assert not gate._adds_up(large, small)
        totals = cells_of_rows([(area[0], small.period_from, segment) for segment in small.segments])
        parts = cells_of_rows(
            [
                (zone, small.period_from + dt.timedelta(hours=hour), small.segments[0])
                for zone in small.zones
                for hour in range(times)
            ][1:]
        )
        withheld, size = gate._parts(large, totals, small, parts)
        assert size.tolist() == [7 * times, 7 * times]
        assert withheld.tolist() == [1, 7 * times]
        # Sums over the parent that the finer release published itself, and zones outside, are neither.
        more = cells_of_rows(
            [
                (area[0], small.period_from, small.segments[0]),
                (zones_side_by_side(2, 8)[1], small.period_from, "no such"),
            ]
        )
        assert gate._parts(large, totals, small, pa.concat_tables([parts, more]))[0].tolist() == [1, 7 * times]
        cut = dataclasses.replace(small, zones=small.zones[1:])
        assert not len(gate._parts(large, totals, cut, parts)[0]), "no total of all of them"
    one = candidate(small)
    coarse = dataclasses.replace(small, dataset="other", zones=area, resolution=7)
    other = prior(candidate(coarse, b"another draw", people=np.full(coarse.key_count, 5_000)))
    assert failed(one, [other]) == []
    found = next(f for f in findings(one, [other]) if f.test == "totals less parts")
    assert found.figures["totals_with_parts"] == small.times * len(small.segments)


def test_a_zone_that_is_called_as_a_segment_is_not_confused_with_it() -> None:
    rows = "p,P,\n18-24,A,p\n25-39,B,p\nc,C,p\n"
    table = OwnZones.of("own", "digest", read_zone_table("code,name,parent\n" + rows)[0])
    bands = ("18-24", "25-39")
    s = specification(
        1, hours=1, zones=(*bands, "c"), age_bands=bands, resolution=2, parent_resolution=1, geography=table
    )
    when = s.period_from
    sums, parts = [("p", when, "18-24")], [(zone, when, "25-39") for zone in bands]
    assert gate._rolled(candidate(s, cells=cells_of_rows(sums + parts))) == (1, 0), "the parts are of the other band"
    large = dataclasses.replace(s, zones=("p",), resolution=1)
    assert gate._parts(large, cells_of_rows(sums), s, cells_of_rows(parts))[0].tolist() == [3]
    found = {one.test: one.figures for one in findings(candidate(s), [prior(candidate(specification(20)))])}
    assert found["totals less parts"]["over_other_zones"] == 1, "what no test compares is stated"


def test_a_day_is_said_to_reach_beyond_its_bound() -> None:
    """Anyone who has the file or the dossier can compute the noise: cells one unit changes, over its part of epsilon."""
    s = specification(3, hours=48, product="flows", unit="day", grain="day")
    assert (s.reach, gate._bounds(candidate(s)).figures["reach"]) == (s.max_cells + 2, s.max_cells + 2)
    drawn = dict.fromkeys(("expansion_micro", "method_version", "population", "error_people", "error_events"), 1)
    assert f"one day's events change {s.max_cells + 2} cells at most" in metadata_of(s, drawn)["partage.bounds"]
    assert s.law("people") == noise.Law("laplace", noise.scale(s.max_cells + 2, s.epsilon_of("people")))


def test_the_dossier_says_what_was_found_and_a_changed_byte_is_not_ours() -> None:
    s = specification(20)
    one = candidate(s, largest_weight=s.max_cells + 1)
    found = findings(one, [])
    document = dossier.document(
        s,
        found,
        dt.datetime(2026, 3, 9, tzinfo=dt.UTC),
        release="a release",
        cells_sha256="00",
        sampler="opendp",
        inputs=dossier.with_key('{"days": []}'),
    )
    stated = dossier.read(document)
    assert stated == json.loads(document)
    assert list(stated["criteria"]) == sorted(gate.CRITERIA)
    assert not stated["passed"]
    assert stated["reasons"] == [gate.REASONS["bounds"]]
    assert not stated["criteria"]["singling out"]["passed"]
    assert stated["criteria"]["inference"]["passed"]
    assert stated["promise"]["epsilon_micro"] == s.epsilon_micro
    signature = dossier.signed(document, settings().signing_key)
    assert dossier.is_ours(document, signature, settings().signing_key)
    assert not dossier.is_ours(document.replace(b"false", b"true "), signature, settings().signing_key)


def test_a_local_day_is_compared_with_its_own_hours_and_with_no_day_of_utc() -> None:
    """The day that summer time ends on has 25 hours: all published but one, the total reveals the last."""
    start, end = (midnight(dt.date(2026, 10, day), "Europe/Paris") for day in (25, 26))
    hours = specification(3, period_from=start, period_to=end, time_zone="Europe/Paris")
    days = dataclasses.replace(hours, dataset="days", grain="day")
    zone, segment = hours.zones[0], hours.segments[0]
    total = cells_of_rows([(zone, start, segment)])
    shown = cells_of_rows([(zone, start + dt.timedelta(hours=hour), segment) for hour in range(24)])
    withheld, size = gate._parts(days, total, hours, shown)
    assert (withheld.tolist(), size.tolist()) == ([1], [25])
    utc = (dt.datetime(2026, 10, 25, tzinfo=dt.UTC), dt.datetime(2026, 10, 26, tzinfo=dt.UTC))
    other = dataclasses.replace(days, time_zone="UTC", period_from=utc[0], period_to=utc[1])
    assert not len(gate._parts(other, cells_of_rows([(zone, utc[0], segment)]), hours, shown)[0]), (
        "an hour of it is missing"
    )
    assert not len(gate._parts(other, cells_of_rows([(zone, utc[0], segment)]), days, total)[0]), (
        "they overlap, no more"
    )
