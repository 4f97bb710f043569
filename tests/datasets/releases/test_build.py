"""The build from end to end: what is published, what is recorded, and what a second run does."""

import asyncio
import datetime as dt
import hashlib
import uuid
from pathlib import Path
from typing import Any

import h3
import httpx
import numpy as np
import pytest
from msgspec import structs

from marketplace.consent.purposes import actions as consent
from marketplace.core import clock, object_store
from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.datasets.releases import actions, queries, rules
from marketplace.people.identity.guards import begin_session
from tests.datasets import builders
from tests.datasets.builders import BANDS, END, PERIOD, START, ZONES, at, crowd, declare, make_subscribers, write
from tests.support.reads import fetch, fetch_value
from tests.support.sites import the_site


async def test_a_crowd_is_published_and_a_loner_is_not(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 402))
    files = write(tmp_path, [*crowd(400), (401, at(20), ZONES[3])], range(1, 402))
    release = await actions.build("lyon", **files, **PERIOD)
    row = await queries.get_release(release)
    assert row.state == "sealed"
    cells = (await queries.cells(release)).to_pylist()
    crowded = [cell for cell in cells if cell["people"] > 100]
    assert {(c["zone"], c["starts_at"], c["segment"]) for c in crowded} == {(ZONES[0], at(10), band) for band in BANDS}
    assert all(abs(cell["people"] - 200) < 60 for cell in crowded)
    assert all(cell["events"] >= cell["people"] >= row.threshold for cell in cells)
    assert len(cells) == row.row_count
    assert row.key_count == len(ZONES) * 48 * 2
    assert row.suppressed_micro == (row.key_count - len(cells)) * 1_000_000 // row.key_count
    assert row.population == 401
    assert abs(row.consenting - 401) <= 401
    assert row.latest_event_at == max(cell["starts_at"] for cell in cells) + dt.timedelta(hours=1)
    assert row.contributors >= 400
    manifest = await queries.manifest(release)
    assert manifest.references[:400].tolist() == list(range(1, 401))
    assert int(manifest.weights.sum()) == row.total_weight
    assert row.published_people == sum(cell["people"] for cell in cells)
    figures = await queries.get_published_figures(release)
    assert (figures.people, figures.noises) == (row.published_people, len(cells))
    assert abs(figures.people - row.total_weight) < 10 * (figures.noises * row.noise_variance_micro / 1e6) ** 0.5
    assert await fetch_value("SELECT spent_micro FROM dataset") == 2_000_000
    notices = await queries.list_notices(release)
    assert [notice.version for notice in notices] == [1]
    data = await object_store.get(object_store.cells_key(release))
    assert hashlib.sha256(data).hexdigest() == row.cells_sha256


async def _budget() -> int:
    return int(await fetch_value("SELECT spent_micro FROM dataset"))


async def test_the_same_build_again_returns_the_release_and_reads_nothing(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    first = await actions.build("lyon", **files, **PERIOD)
    again = await actions.build("lyon", events="/nowhere", subscribers="/nowhere", **PERIOD)
    assert again == first
    assert await _budget() == 2_000_000


async def test_two_builds_at_once_are_one(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    steps: list[str] = []
    builds = [actions.build("lyon", **files, **PERIOD, progress=lambda step, _: steps.append(step)) for _ in range(3)]
    releases = await asyncio.gather(*builds)
    assert len(set(releases)) == 1
    assert steps.count("committing the privacy budget") == 1
    assert any(step.startswith("waiting") for step in steps)
    assert await _budget() == 2_000_000


async def test_a_spent_budget_builds_no_more(tmp_path: Path) -> None:
    await declare(budget_micro=2_200_000)
    await make_subscribers(range(1, 301))
    files = write(tmp_path, crowd(300), range(1, 301))
    await actions.build("lyon", **files, **PERIOD)
    warned = (
        "SELECT count(*) FROM message WHERE kind = 'budget_near_end' AND (audience, recipient) = ('role', 'steward')"
    )
    assert await fetch_value(warned) == 1, "a tenth is left"
    with pytest.raises(Conflict, match="budget of lyon is spent"):
        await actions.build("lyon", **files, period_from=START, period_to=at(24))
    assert await fetch_value("SELECT count(*) FROM release") == 1
    assert await _budget() == 2_000_000


@pytest.mark.usefixtures("lavish_year")
async def test_nobody_to_sell_is_a_refused_release_whose_budget_stays_spent(tmp_path: Path) -> None:
    """So little noise, because the usual one lifts a tenth of an empty cell over the threshold: one run in ten."""
    await declare(epsilon_micro=2_000_000_000, budget_micro=8_000_000_000)
    await make_subscribers([1])
    files = write(tmp_path, [], [1])
    release = await actions.build("lyon", **files, **PERIOD)
    row = await queries.get_release(release)
    assert (row.state, row.contributors, await _budget()) == ("refused", 0, 2_000_000_000)
    assert "nothing to sell" in row.refusal
    assert await queries.find_latest_release("lyon") is None
    with pytest.raises(Conflict, match="not sealed"):
        await queries.cells(release)
    with pytest.raises(NotFound):
        await object_store.get(object_store.cells_key(release))
    assert await actions.build("lyon", **files, **PERIOD) == release


@pytest.mark.long
@pytest.mark.usefixtures("lavish_year")
async def test_after_a_withdrawal_the_next_build_holds_nothing_of_them(tmp_path: Path) -> None:
    """One person alone in a zone, hour after hour, would show; so would their earlier events after a return.

    So little noise would let anyone be followed, so the gate blocks all three: what was kept privately is looked at.
    """
    await declare(max_cells=48, epsilon_micro=2_000_000_000, budget_micro=8_000_000_000)
    await make_subscribers([1, 2, 3])
    loner = [(3, at(hour), ZONES[4]) for hour in range(40)]
    files = write(tmp_path, [(1, at(1), ZONES[0]), (2, at(2), ZONES[0]), *loner], [1, 2, 3])
    before = await actions.build("lyon", **files, period_from=START, period_to=at(47))
    assert 3 in (await builders.kept(before, "manifest"))["reference"].to_pylist()
    assert ZONES[4] in (await builders.kept(before, "cells"))["zone"].to_pylist()
    await consent.withdraw(3, builders.PURPOSE)
    gone = await actions.build("lyon", **files, **PERIOD)
    assert (await builders.kept(gone, "manifest"))["reference"].to_pylist() == [1, 2]
    assert ZONES[4] not in (await builders.kept(gone, "cells"))["zone"].to_pylist()
    await consent.give(3, builders.PURPOSE)
    later = await actions.build("lyon", **files, period_from=START, period_to=at(46))
    assert (await builders.kept(later, "manifest"))["reference"].to_pylist() == [1, 2]
    for release in (before, gone, later):
        assert (await queries.get_release(release)).state == "blocked"
        with pytest.raises(Conflict):
            await queries.cells(release)


async def test_a_sealed_release_never_changes(tmp_path: Path) -> None:
    await declare()
    await make_subscribers(range(1, 301))
    await actions.build("lyon", **write(tmp_path, crowd(300), range(1, 301)), **PERIOD)
    with pytest.raises(Exception, match="append-only"):
        await execute("UPDATE release SET row_count = 1")


async def test_one_contribution_is_found_without_the_whole_manifest(tmp_path: Path) -> None:
    people = range(3, 20_003 * 3, 3)

    await declare()
    await make_subscribers(people)
    events = [(who, at(10 + n % 3), ZONES[n % 2]) for n, who in enumerate(people)]
    release = await actions.build("lyon", **write(tmp_path, events, people), **PERIOD)
    whole = await queries.manifest(release)
    assert len(whole.references) > 19_000
    assert (np.diff(whole.references) > 0).all()
    for position in (0, 1, 8_191, 8_192, 16_384, len(whole.references) - 1):
        weight = await queries.find_weight(release, int(whole.references[position]))
        assert weight == int(whole.weights[position])
    for absent in (0, 1, 4, 10**9, 2**62):
        assert await queries.find_weight(release, absent) == 0


async def test_private_objects_are_refused_to_delivery() -> None:
    for key in (
        "private/releases/x/manifest.parquet",
        "releases/../private/x",
        "/private/x",
        "releases//x",
        "x",
        "",
    ):
        with pytest.raises(NotFound):
            object_store.public_object(key)
    assert object_store.public_object("releases/1/cells.parquet") == "releases/1/cells.parquet"
    await object_store.put("releases/1/cells.parquet", b"0123456789")
    assert await object_store.get_range("releases/1/cells.parquet", 2, 5) == b"234"
    assert await object_store.size("releases/1/cells.parquet") == 10


@pytest.mark.parametrize(
    ("start", "end", "sentence"),
    [
        (END, START, "period is empty"),
        (START, START, "period is empty"),
        (at(0.5), END, "whole hour"),
        (START, dt.datetime(9000, 1, 1, tzinfo=dt.UTC), "ten years at most"),
        (START, clock.now().replace(minute=0, second=0, microsecond=0) + dt.timedelta(days=9), "not over"),
    ],
)
async def test_periods_that_make_no_release_are_refused(start: dt.datetime, end: dt.datetime, sentence: str) -> None:
    await declare()
    with pytest.raises(Invalid, match=sentence):
        await actions.build("lyon", events="x", subscribers="x", period_from=start, period_to=end)
    with pytest.raises(NotFound, match="no dataset paris"):
        await actions.build("paris", events="x", subscribers="x", **PERIOD)
    assert await fetch("SELECT 1 FROM release") == []


async def test_more_cells_than_can_be_counted_are_refused() -> None:
    await declare()
    terms = await queries.get_dataset("lyon")
    wide = structs.replace(terms, zones=sorted(h3.grid_disk(ZONES[0], 40)))
    with pytest.raises(Invalid, match="400000000"):
        rules.specify(wide, START - dt.timedelta(days=3_650), START)


@pytest.mark.parametrize(
    "other",
    [
        {"grain": "fortnight"},
        {"zones": ()},
        {"zones": ("nothing",)},
        {"age_bands": ("a", "a")},
        {"max_cells": 0},
        {"epsilon_micro": 7_000_000},
        {"epsilon_micro": 10},
    ],
)
async def test_datasets_that_promise_nothing_are_refused(other: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        await declare(**other)


async def test_a_dataset_is_defined_once() -> None:
    await declare()
    await declare()
    with pytest.raises(Conflict, match="otherwise"):
        await declare(max_cells=9)


@pytest.mark.usefixtures("lavish_year")
async def test_the_stewards_pages_are_for_stewards(tmp_path: Path) -> None:
    """So little noise that it lifts no empty cell."""
    await declare(epsilon_micro=2_000_000_000, budget_micro=8_000_000_000)
    await make_subscribers([1])
    await actions.build("lyon", **write(tmp_path, [], [1]), **PERIOD)
    steward = uuid.uuid4()
    await execute(
        """INSERT INTO person (id, email, name, password_hash, language, staff_role, created_at)
           VALUES ($1, 's@example.org', 'S', '', 'en', 'steward', now())""",
        steward,
    )
    cookie = await begin_session(steward)
    transport = httpx.ASGITransport(the_site())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        assert (await client.get("/en/steward/datasets")).status_code == 303
        client.cookies.set("session", str(cookie.value))
        for path, sentence in (
            ("/en/steward/datasets", "ε 2,000 / 8,000"),
            ("/fr/steward/datasets/lyon", "il n’y a rien à vendre"),
        ):
            answer = await client.get(path)
            assert answer.status_code == 200
            assert sentence in answer.text
        assert (await client.get("/en/steward/datasets/paris")).status_code == 404
