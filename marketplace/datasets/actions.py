"""What can be done with datasets: define one, and build a private release of it.

**Spend, keep, seal.** A build commits its spend before it looks at what the data says; keeps the noisy cells, the cells
to publish and the manifest privately (`noised`); then publishes the kept bytes (`sealed`). Killed anywhere, a second
run of the same build ends the same way:

- before the spend, nothing happened;
- after the spend and before `noised`, no draw has been shown to anyone, so the spend still covers one draw: the second
  run counts and draws afresh under the same row, at a new start instant so that withdrawals made meanwhile are
  honoured, and whatever private files the first left are replaced;
- after `noised`, the second run reads no event: it publishes the bytes that were kept, whose SHA-256 it checks;
- after `sealed` or `refused`, it returns the release.

Budget is never given back, not even when nothing could be published: that too says something of the data. Two builds of
the same release at once wait for each other; the second returns the first one's release.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from marketplace import clock, database
from marketplace.consent.queries import intervals_around
from marketplace.database import execute, fetch_one, fetch_value, transaction
from marketplace.datasets import objects, queries, rules
from marketplace.datasets.aggregation import Aggregation, Outcome
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.settings import settings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncIterator, Callable, Sequence

    import asyncpg

    Say = Callable[[str, float], None]

WAIT_SECONDS = 0.1
"""How often a build asks whether another one of the same release has ended."""


async def define(
    code: str,
    *,
    purpose: str,
    title_fr: str,
    title_en: str,
    description_fr: str,
    description_en: str,
    area: str,
    zones: Sequence[str],
    age_bands: Sequence[str],
    h3_resolution: int,
    grain: str,
    max_cells: int,
    max_events: int,
    epsilon_micro: int,
    budget_micro: int,
    half_life_days: int,
) -> str:
    """Declare a dataset and return its code: what is counted where, for whom, under which bounds and budget.

    `zones` are H3 cells of the resolution or coarser and `age_bands` the segments; with a period they are the public
    key set. A dataset of that code that says the same changes nothing; one that says otherwise is refused.
    """
    if grain not in rules.STEPS:
        raise Invalid("The grain must be hour or day.")
    if not zones or not age_bands or len(set(age_bands)) < len(age_bands) or not all(age_bands):
        raise Invalid("A dataset declares its zones, and its age bands once each.")
    rules.key_zones(zones, h3_resolution)
    if min(max_cells, max_events, half_life_days, epsilon_micro) < 1 or epsilon_micro > budget_micro:
        raise Invalid("Bounds, half-life and epsilon must be positive, and the budget must hold one release at least.")
    if min(rules.EPSILON_PERCENT.values()) * epsilon_micro < 100:  # noqa: PLR2004 (a hundred percent)
        raise Invalid("Epsilon is too small to be divided.")
    said = {
        "purpose": purpose, "title_fr": title_fr, "title_en": title_en, "description_fr": description_fr,
        "description_en": description_en, "area": area, "zones": list(zones), "age_bands": list(age_bands),
        "h3_resolution": h3_resolution, "grain": grain, "max_cells": max_cells, "max_events": max_events,
        "epsilon_micro": epsilon_micro, "budget_micro": budget_micro, "half_life_days": half_life_days,
    }  # fmt: skip
    async with transaction():
        if not await fetch_value("SELECT true FROM purpose WHERE code = $1", purpose):
            raise NotFound("There is no purpose {purpose}.", purpose=purpose)
        await execute(
            f"""INSERT INTO dataset (code, created_at, {', '.join(said)})
                VALUES ($1, $2, {', '.join(f'${number}' for number in range(3, len(said) + 3))})
                ON CONFLICT (code) DO NOTHING""",
            code, clock.now(), *said.values(),
        )  # fmt: skip
        row = await queries.get_dataset(code)
        if any(row[name] != value for name, value in said.items()):
            raise Conflict("The dataset {dataset} is already defined, and otherwise.", dataset=code)
    return code


async def build(
    dataset: str,
    *,
    events: str,
    subscribers: str,
    period_from: dt.datetime,
    period_to: dt.datetime,
    progress: Say | None = None,
) -> uuid.UUID:
    """Build one private release of `dataset` over the half-open period and return it, sealed or refused.

    `events` and `subscribers` are paths or bucket addresses. The same build again returns the same release. `progress`
    is told each step and the share done; it may be called from another thread. Refusals: a dataset that is not there,
    a period that is empty, unaligned or not over, inputs that are malformed (before anything is spent), and a budget
    that is spent.
    """
    say = progress or (lambda _step, _share: None)
    now = clock.now()
    specification = rules.specify(await queries.get_dataset(dataset), period_from, period_to)
    if specification.period_to > now:
        raise Invalid("The period is not over yet.")
    async with _alone(f"build {specification.digest}", say):
        row = await _find(specification)
        if row is None or row["state"] == "spent":
            interrupted: uuid.UUID | None = row["id"] if row else None
            aggregation = Aggregation(specification, settings().state / "builds" / specification.digest)
            await _count_and_keep(aggregation, interrupted, events=events, subscribers=subscribers, say=say)
            row = await _find(specification)
        assert row
        if row["state"] == "noised":
            await _seal(row, say)
        say("done", 1.0)
    release: uuid.UUID = row["id"]
    return release


@asynccontextmanager
async def _alone(name: str, say: Say) -> AsyncIterator[None]:
    """Let one build of a release run at a time; the lock ends with its connection, so a killed build holds nothing."""
    assert database.DB.pool, "open_pool() first"
    async with database.DB.pool.acquire() as connection:
        while not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", name):
            say("waiting for another build of this release", 0.0)
            await asyncio.sleep(WAIT_SECONDS)
        try:
            yield
        finally:
            await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", name)


async def _find(specification: rules.Specification) -> asyncpg.Record | None:
    return await fetch_one(
        "SELECT * FROM release WHERE dataset = $1 AND period_from = $2 AND period_to = $3 AND specification = $4",
        specification.dataset, specification.period_from, specification.period_to, specification.digest,
    )  # fmt: skip


async def _count_and_keep(
    aggregation: Aggregation, release: uuid.UUID | None, *, events: str, subscribers: str, say: Say
) -> None:
    """Check, spend (unless `release` is a spend that was interrupted), count, draw, and keep the outcome."""
    specification = aggregation.specification

    def check() -> None:
        aggregation.check(events, subscribers)
        if not aggregation.population():
            raise Invalid("Nobody in {subscribers} lives in the dataset's area.", subscribers=subscribers)

    with aggregation:
        say("checking the inputs", 0.05)
        await asyncio.to_thread(check)
        say("committing the privacy budget", 0.2)
        started_at = clock.now()
        release = await _spend(specification, release, started_at)
        say("asking who consents", 0.25)
        consent = await intervals_around(specification.purpose, started_at)
        keys = rules.hash_keys(settings().secret, specification.digest)
        say("counting", 0.3)
        await asyncio.to_thread(aggregation.count, consent, keys, started_at)
        say("drawing noise", 0.55)
        outcome = await asyncio.to_thread(aggregation.release, say)
        say("keeping the noisy cells", 0.9)
        await _keep(release, outcome, {row["notice"] for row in consent}, say)


async def _spend(specification: rules.Specification, release: uuid.UUID | None, started_at: dt.datetime) -> uuid.UUID:
    """Commit the spend and the release's row together, or move an interrupted one's start; return the release."""
    async with transaction():
        if release is not None:
            await execute("UPDATE release SET started_at = $2 WHERE id = $1 AND state = 'spent'", release, started_at)
            return release
        spent = await execute(
            "UPDATE dataset SET spent_micro = spent_micro + $2 WHERE code = $1 AND spent_micro + $2 <= budget_micro",
            specification.dataset, specification.epsilon_micro,
        )  # fmt: skip
        if not spent:
            raise Conflict(
                "The privacy budget of {dataset} is spent: no release of it can be built any more.",
                dataset=specification.dataset,
            )
        made = uuid.uuid4()
        await execute(
            """INSERT INTO release
                   (id, dataset, period_from, period_to, specification, state, started_at, epsilon_micro)
               VALUES ($1, $2, $3, $4, $5, 'spent', $6, $7)""",
            made, specification.dataset, specification.period_from, specification.period_to, specification.digest,
            started_at, specification.epsilon_micro,
        )  # fmt: skip
    return made


async def _keep(release: uuid.UUID, outcome: Outcome, notices: set[uuid.UUID], say: Say) -> None:
    """Store the outcome privately, then say so in the release's row; a refused one keeps its figures and no weight."""
    for name, path in outcome.files.items():
        await objects.put(objects.private_key(release, name), path)
    say("recording the noisy cells", 0.94)
    figures = outcome.figures | {"refusal": outcome.refusal, "state": "refused" if outcome.refusal else "noised"}
    async with transaction():
        await execute(
            f"""UPDATE release SET {', '.join(f'{name} = ${number}' for number, name in enumerate(figures, 2))}
                WHERE id = $1 AND state = 'spent'""",
            release, *figures.values(),
        )  # fmt: skip
        await execute(
            "INSERT INTO release_notice (id, release, notice) SELECT gen_random_uuid(), $1, unnest($2::uuid[])",
            release, sorted(notices),
        )  # fmt: skip


async def _seal(row: asyncpg.Record, say: Say) -> None:
    """Publish the kept cells, byte for byte, and close the release for ever."""
    release = row["id"]
    say("sealing", 0.97)
    data = await objects.get(objects.private_key(release, "cells.parquet"))
    if hashlib.sha256(data).hexdigest() != row["cells_sha256"]:
        raise Conflict(
            "The kept cells of release {release} are not the ones recorded; restore the object store.", release=release
        )
    await objects.put(objects.cells_key(release), data)
    say("recording the seal", 0.98)
    await execute(
        "UPDATE release SET state = 'sealed', sealed_at = $2 WHERE id = $1 AND state = 'noised'", release, clock.now()
    )
