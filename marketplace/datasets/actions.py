"""What can be done with datasets: define one, and build a private release of it.

**Spend, keep, assess, seal.** A build commits its spend before it looks at what the data says; keeps the noisy cells,
the cells to publish and the manifest privately (`noised`); asks the release gate (`assessed`, or `blocked` with its
reasons); then publishes the kept bytes (`sealed`). Killed anywhere, a second run of the same build ends the same way:

- before the spend, nothing happened;
- after the spend and before `noised`, no draw has been shown to anyone, so the spend still covers one draw: the second
  run counts and draws afresh under the same row, at a new start instant so that withdrawals made meanwhile are
  honoured, and whatever private files the first left are replaced;
- after `noised`, the second run reads no event: it assesses and publishes the bytes that were kept, whose SHA-256 it
  checks;
- after `sealed`, `refused` or `blocked`, it returns the release.

A spend is charged to the dataset and to every year of its subscribers, in one transaction. Budget is never given back,
not even when nothing could be published: that too says something of the data. Two builds of the same release at once
wait for each other; the second returns the first one's release.

The instant a build starts at is never before anything recorded: a clock that was put back would otherwise let consent
stand that was withdrawn since.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marketplace import clock, object_store
from marketplace.builds.aggregation import Aggregation, Outcome
from marketplace.consent.queries import intervals_around
from marketplace.database import execute, fetch_one, fetch_value, transaction
from marketplace.datasets import publishing, queries, rules
from marketplace.datasets.zone_tables import get_geography
from marketplace.errors import Conflict, Invalid, NotFound
from marketplace.locks import exclusive
from marketplace.privacy import budget
from marketplace.privacy.cell_choice import hash_keys
from marketplace.privacy.key_set import key_zones
from marketplace.privacy.specification import EPSILON_PERCENT, STEPS, Specification
from marketplace.progress import WAITING, no_progress
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from marketplace.progress import ReportProgress


CLOCKS_DIFFER = dt.timedelta(minutes=1)
"""How far apart the clocks of two machines may be."""


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
    unit: str = "release",
    mechanism: str = "laplace",
    delta_exponent: int = 0,
    max_zones: int = 0,
    parent_resolution: int = 0,
    edition_multiples: Sequence[int] = (),
    product: str = "presence",
    zone_table: str | None = None,
) -> str:
    """Declare a dataset and return its code: what is counted where, for whom, under which bounds and budget.

    `zones` are H3 cells of the resolution or coarser, or zones of the operator's own `zone_table`, whose levels
    `h3_resolution` and `parent_resolution` then are; `age_bands` are the segments; with a period they are the public
    key set. `product` is presence, flows or stays; `unit` is release or day, `mechanism` laplace or gaussian (with its delta, 10^-delta_exponent);
    `max_zones` pays for totals that undo truncation, `parent_resolution` adds up thin cells, `edition_multiples` are
    the noise variances of coarser accuracy levels, rising. A dataset of that code that says the same changes nothing;
    one that says otherwise is refused.
    """
    rules.check_code(code)
    if not 0 <= h3_resolution <= rules.FINEST:
        raise Invalid("H3 has resolutions from 0 to 15, and zones of your own as many levels.")
    if grain not in STEPS:
        raise Invalid("The grain must be hour or day.")
    if not zones or not age_bands or len(set(age_bands)) < len(age_bands) or not all(age_bands):
        raise Invalid("A dataset declares its zones, and its age bands once each.")
    key_zones(zones, h3_resolution, await get_geography(zone_table))
    if max(max_cells, max_events, half_life_days) > rules.LARGEST_BOUND:
        raise Invalid("Bounds and half-life are a million at most.")
    if min(max_cells, max_events, half_life_days, epsilon_micro) < 1 or epsilon_micro > budget_micro:
        raise Invalid("Bounds, half-life and epsilon must be positive, and the budget must hold one release at least.")
    if min(EPSILON_PERCENT.values()) * epsilon_micro < 100:  # noqa: PLR2004 (a hundred percent)
        raise Invalid("Epsilon is too small to be divided.")
    rules.check_privacy(
        unit=unit, mechanism=mechanism, delta_exponent=delta_exponent, max_zones=max_zones,
        parent_resolution=parent_resolution, h3_resolution=h3_resolution, edition_multiples=edition_multiples,
        product=product, grain=grain,
    )  # fmt: skip
    said = {
        "purpose": purpose, "title_fr": title_fr, "title_en": title_en, "description_fr": description_fr,
        "description_en": description_en, "area": area, "zones": list(zones), "age_bands": list(age_bands),
        "h3_resolution": h3_resolution, "grain": grain, "max_cells": max_cells, "max_events": max_events,
        "epsilon_micro": epsilon_micro, "budget_micro": budget_micro, "half_life_days": half_life_days,
        "unit": unit, "mechanism": mechanism, "delta_exponent": delta_exponent, "max_zones": max_zones,
        "parent_resolution": parent_resolution, "edition_multiples": list(edition_multiples),
        "product": product, "zone_table": zone_table,
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
    period_from: dt.datetime,
    period_to: dt.datetime,
    events: str | None = None,
    subscribers: str | None = None,
    revision: int = 1,
    note_fr: str = "",
    note_en: str = "",
    publish: bool = True,
    progress: ReportProgress | None = None,
) -> uuid.UUID:
    """Build one private release of `dataset` over the half-open period and return it: sealed, refused or blocked.

    `events` and `subscribers` are paths or bucket addresses; None stands for what was ingested into the event store,
    and for the table ingested last. The same build again returns the same release; the next
    `revision` is another one, with a note in both languages on what changed, and another spend. Without `publish` it is
    left assessed, for a person to publish. `progress` is told each step and the share done; it may be called from
    another thread. Refusals: a dataset that is not there, a period that is empty, unaligned or not over, a revision
    before the last one is there, inputs that are malformed (before anything is spent), a clock that was put back, and a
    budget that is spent, the dataset's or a year's.
    """
    report = progress or no_progress
    now = clock.now()
    specification = await queries.get_specification(
        await queries.get_dataset(dataset), period_from, period_to, revision=revision
    )
    if specification.period_to > now:
        raise Invalid("The period is not over yet.")
    async with exclusive(f"build {specification.digest}", on_wait=lambda: report(WAITING, 0.0)):
        row = await _find(specification)
        if row is None or row["state"] == "spent":
            if row is None:
                await _follows(specification, note_fr, note_en)
            interrupted: uuid.UUID | None = row["id"] if row else None
            aggregation = Aggregation(specification, settings().state / "builds" / specification.digest)
            spend = Spend(specification, interrupted, note_fr, note_en)
            await _count_and_keep(aggregation, spend, events=events, subscribers=subscribers, report=report)
            row = await _find(specification)
        assert row
        if row["state"] == "noised":
            await publishing.assess(specification, row, report)
            row = await _find(specification)
            assert row
        if row["state"] == "assessed" and publish:
            await publishing.seal(row, by="", report=report)
        report("done", 1.0)
    release: uuid.UUID = row["id"]
    return release


async def _find(specification: Specification) -> asyncpg.Record | None:
    return await fetch_one(
        "SELECT * FROM release WHERE dataset = $1 AND period_from = $2 AND period_to = $3 AND specification = $4",
        specification.dataset, specification.period_from, specification.period_to, specification.digest,
    )  # fmt: skip


async def _follows(specification: Specification, note_fr: str, note_en: str) -> None:
    """Refuse a revision that does not follow the last one of its period, or does not say what changed."""
    if specification.revision == 1:
        return
    last = await fetch_value(
        "SELECT coalesce(max(revision), 0) FROM release WHERE dataset = $1 AND period_from = $2 AND period_to = $3",
        specification.dataset, specification.period_from, specification.period_to,
    )  # fmt: skip
    if specification.revision != last + 1:
        raise Conflict("The next revision of that period is number {number}.", number=last + 1)
    if not note_fr.strip() or not note_en.strip():
        raise Invalid("A revision says what changed, in both languages.")


@dataclass(frozen=True, slots=True)
class Spend:
    """What a build commits before it looks: its specification, or the row of one that was interrupted."""

    specification: Specification
    interrupted: uuid.UUID | None
    note_fr: str
    note_en: str


async def _count_and_keep(
    aggregation: Aggregation, spend: Spend, *, events: str | None, subscribers: str | None, report: ReportProgress
) -> None:
    """Check, spend (unless that was interrupted), count, draw, and keep the outcome."""
    specification = aggregation.specification

    def check() -> None:
        aggregation.check(events, subscribers)
        if not aggregation.population():
            raise Invalid(
                "Nobody in {subscribers} lives in the dataset's area.", subscribers=subscribers or "the event store"
            )
        # What composes losses takes a second to load: not inside the transaction that spends.
        budget.year_epsilon_micro(specification.unit_rho_nano, specification.unit_rho_nano, 0)

    with aggregation:
        report("checking the inputs", 0.05)
        await asyncio.to_thread(check)
        report("committing the privacy budget", 0.2)
        started_at = await _starting_at(specification.purpose)
        release = await _spend(spend, started_at)
        report("asking who consents", 0.25)
        consent = await intervals_around(specification.purpose, started_at)
        keys = hash_keys(settings().secret.encode(), specification.digest)
        report("counting", 0.3)
        await asyncio.to_thread(aggregation.count, consent, keys, started_at)
        report("drawing noise", 0.55)
        outcome = await asyncio.to_thread(aggregation.release, report)
        report("keeping the noisy cells", 0.9)
        await _keep(release, outcome, {row["notice"] for row in consent}, report)


async def _starting_at(purpose: str) -> dt.datetime:
    """Return the instant a build starts at: now, or the last one recorded where another machine's clock is ahead.

    Refuses a clock that is further behind.
    """
    recorded: dt.datetime | None = await fetch_value(
        """SELECT greatest((SELECT max(greatest(started_at, sealed_at)) FROM release),
                           (SELECT max(at) FROM consent_record WHERE purpose = $1))""",
        purpose,
    )
    now = clock.now()
    if recorded is None or recorded <= now:
        return now
    if recorded - now > CLOCKS_DIFFER:
        raise Conflict(
            "The clock says {now}, but {then} was recorded already: set the clock right, then build again.",
            now=now.isoformat(timespec="seconds"), then=recorded.isoformat(timespec="seconds"),
        )  # fmt: skip
    return recorded


async def _spend(spend: Spend, started_at: dt.datetime) -> uuid.UUID:
    """Commit the spend and the release's row together, or move an interrupted one's start; return the release."""
    s = spend.specification
    async with transaction():
        if spend.interrupted is not None:
            await execute(
                "UPDATE release SET started_at = $2 WHERE id = $1 AND state = 'spent'", spend.interrupted, started_at
            )
            return spend.interrupted
        spent = await execute(
            "UPDATE dataset SET spent_micro = spent_micro + $2 WHERE code = $1 AND spent_micro + $2 <= budget_micro",
            s.dataset, s.epsilon_micro,
        )  # fmt: skip
        if not spent:
            raise Conflict(
                "The privacy budget of {dataset} is spent: no release of it can be built any more.", dataset=s.dataset
            )
        made = uuid.uuid4()
        await execute(
            """INSERT INTO release (id, dataset, period_from, period_to, specification, state, started_at,
                   epsilon_micro, delta_exponent, rho_nano, revision, note_fr, note_en)
               VALUES ($1, $2, $3, $4, $5, 'spent', $6, $7, $8, $9, $10, $11, $12)""",
            made, s.dataset, s.period_from, s.period_to, s.digest, started_at, s.epsilon_micro, s.delta_exponent,
            s.unit_rho_nano, s.revision, spend.note_fr.strip(), spend.note_en.strip(),
        )  # fmt: skip
        for year, units in budget.years(s.period_from, s.period_to, s.unit).items():
            await _charge(made, s, year, units)
    return made


async def _charge(release: uuid.UUID, specification: Specification, year: int, units: int) -> None:
    """Charge a release to one year of its subscribers, inside the spend's transaction."""
    s = specification
    most = settings().subscriber_year_epsilon_micro
    is_pure = s.mechanism == "laplace"
    rho, epsilon = units * s.unit_rho_nano, units * s.epsilon_micro
    await execute("INSERT INTO privacy_year (year, budget_micro) VALUES ($1, $2) ON CONFLICT DO NOTHING", year, most)
    row = await fetch_one("SELECT * FROM privacy_year WHERE year = $1 FOR UPDATE", year)
    assert row
    sums = (
        row["rho_nano"] + rho, row["gaussian_rho_nano"] + rho * (not is_pure), row["pure_micro"] + epsilon * is_pure,
    )  # fmt: skip
    spent = budget.year_epsilon_micro(*sums)
    if spent > most:
        raise Conflict(
            "All datasets together would cost a subscriber ε = {spent} in {year}; no more than {most} is allowed.",
            spent=f"{spent / 1_000_000:.2f}", year=year, most=f"{most / 1_000_000:g}",
        )  # fmt: skip
    await execute(
        """UPDATE privacy_year SET rho_nano = $2, gaussian_rho_nano = $3, pure_micro = $4, spent_micro = $5,
               budget_micro = $6 WHERE year = $1""",
        year, *sums, spent, most,
    )  # fmt: skip
    await execute(
        """INSERT INTO privacy_spend (id, release, year, units, rho_nano, epsilon_micro, is_pure)
           VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, $6)""",
        release, year, units, rho, epsilon, is_pure,
    )  # fmt: skip


async def _keep(release: uuid.UUID, outcome: Outcome, notices: set[uuid.UUID], report: ReportProgress) -> None:
    """Store the outcome privately, then say so in the release's row; a refused one keeps its figures and no weight."""
    for name, path in outcome.files.items():
        await object_store.put(object_store.private_key(release, name), path)
    report("recording the noisy cells", 0.94)
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
        if outcome.coverage:
            kinds, names, populations, consenting = (list(column) for column in zip(*outcome.coverage, strict=True))
            await execute(
                """INSERT INTO coverage (id, release, kind, name, population, consenting)
                   SELECT gen_random_uuid(), $1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[])""",
                release, kinds, names, populations, consenting,
            )  # fmt: skip
