"""Builds asked for, by a steward or by a dataset's cadence, and carried out by a job that tells how far it is.

A request is a row; the build behind it is safe to repeat, so a request whose worker was killed is simply taken up
again. What a build refuses is written beside the request as the sentence people read.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from typing import TYPE_CHECKING

from marketplace import clock, object_store
from marketplace.builds.event_store import Store
from marketplace.database import execute, fetch, fetch_one, fetch_value, lock, transaction
from marketplace.datasets import queries, rules
from marketplace.datasets.actions import build
from marketplace.errors import Conflict, Invalid, Refusal

if TYPE_CHECKING:
    import uuid
    from collections.abc import AsyncIterator, Callable

    import asyncpg

TOLD_EVERY_SECONDS = 0.5
ASKED_AGAIN_AFTER = dt.timedelta(hours=6)
"""When a scheduled build that was refused, say for want of a table of subscribers, is asked for again."""
LATE_AFTER = dt.timedelta(hours=12)
"""When a period whose days have not all come is told as late, beside the requests."""


async def ask_for_build(
    dataset: str, period_from: dt.datetime, period_to: dt.datetime, *, request_id: uuid.UUID, by: str,
    note_fr: str = "", note_en: str = "", publish: bool = False,
) -> uuid.UUID:  # fmt: skip
    """Ask for a release over the half-open period and return the request; the same id, or the same open build, is one.

    A period that has a release already gets its next revision, with a note on what changed. `publish` lets it out as
    soon as the gate lets it pass. Refuses what a build would refuse before it looks at anything: an empty, unaligned or
    future period, a revision without its notes, and a spent budget.
    """
    now = clock.now()
    async with transaction():
        await lock(f"build requests {dataset}")
        row = await queries.get_dataset(dataset)
        specification = await queries.get_specification(row, period_from, period_to)
        if specification.period_to > now:
            raise Invalid("The period is not over yet.")
        if open_one := await fetch_one(
            """SELECT id FROM build_request
               WHERE id = $4 OR (dataset = $1 AND period_from = $2 AND period_to = $3 AND ended_at IS NULL)""",
            dataset, specification.period_from, specification.period_to, request_id,
        ):  # fmt: skip
            found: uuid.UUID = open_one["id"]
            return found
        if row["spent_micro"] + row["epsilon_micro"] > row["budget_micro"]:
            raise Conflict(
                "The privacy budget of {dataset} is spent: no release of it can be built any more.", dataset=dataset
            )
        revision = 1 + await fetch_value(
            """SELECT coalesce(max(revision), 0) FROM release
               WHERE dataset = $1 AND period_from = $2 AND period_to = $3 AND state <> 'spent'""",
            dataset, specification.period_from, specification.period_to,
        )  # fmt: skip
        if revision > 1 and not (note_fr.strip() and note_en.strip()):
            raise Invalid("That period has a release already: say in both languages what its next revision changes.")
        await execute(
            """INSERT INTO build_request (id, dataset, period_from, period_to, revision, note_fr, note_en, publish,
                                          asked_by, asked_at)
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
            request_id, dataset, specification.period_from, specification.period_to, revision, note_fr.strip(),
            note_en.strip(), publish, by, now,
        )  # fmt: skip
    return request_id


async def set_cadence(dataset: str, cadence: str) -> None:
    """Let a dataset's next release be asked for when a day, week or month is over; an empty cadence: by stewards alone."""
    if cadence not in rules.CADENCES:
        raise Invalid("The cadence must be day, week, month, or none.")
    await queries.get_dataset(dataset)
    await execute("UPDATE dataset SET cadence = $2 WHERE code = $1", dataset, cadence)


async def refresh_datasets() -> None:
    """Ask for the latest period that is over of every dataset with a cadence, once, when its days have come; a job.

    The last day's files come after the day: whoever built at midnight would spend the budget on a hole. A day that has
    not come half a day later is told once, as a request that was refused; should it still come, the period is asked for.
    """
    now = clock.now()
    store = await asyncio.to_thread(lambda: Store(object_store.store()))
    for cadence in rules.CADENCES:
        if not cadence:
            continue
        period_from, period_to = rules.latest_period(cadence, now)
        period = [period_from.date() + dt.timedelta(days=day) for day in range((period_to - period_from).days)]
        if missing := sorted({*period} - {*store.days(period_from.date(), period_to.date())}):
            if now - period_to >= LATE_AFTER:
                await _tell_late(cadence, period_from, period_to, missing)
            continue
        await execute(
            """INSERT INTO build_request (id, dataset, period_from, period_to, publish, asked_by, asked_at)
               SELECT gen_random_uuid(), code, $2, $3, true, $4, $5 FROM dataset
               WHERE cadence = $1 AND spent_micro + epsilon_micro <= budget_micro
                 AND NOT EXISTS (SELECT FROM release WHERE release.dataset = code
                                 AND release.period_from = $2 AND release.period_to = $3)
                 AND NOT EXISTS (SELECT FROM build_request AS asked WHERE asked.dataset = code
                                 AND asked.period_from = $2 AND asked.period_to = $3
                                 AND (asked.ended_at IS NULL OR (asked.started_at IS NOT NULL AND asked.asked_at > $6)))
               ON CONFLICT DO NOTHING""",
            cadence, period_from, period_to, BY_CADENCE, now, now - ASKED_AGAIN_AFTER,
        )  # fmt: skip


async def _tell_late(cadence: str, period_from: dt.datetime, period_to: dt.datetime, missing: list[dt.date]) -> None:
    """Write a refused request for a period that waits for its days, beside every dataset of the cadence that has none."""
    late = Conflict(
        "The cadence waits: {missing} of the period's days were not ingested, {first} the first of them.",
        missing=len(missing), first=missing[0],
    )  # fmt: skip
    await execute(
        """INSERT INTO build_request (id, dataset, period_from, period_to, publish, asked_by, asked_at, ended_at, refusal)
           SELECT gen_random_uuid(), code, $2, $3, true, $4, $5, $5, $6 FROM dataset
           WHERE cadence = $1 AND spent_micro + epsilon_micro <= budget_micro
             AND NOT EXISTS (SELECT FROM release WHERE release.dataset = code
                             AND release.period_from = $2 AND release.period_to = $3)
             AND NOT EXISTS (SELECT FROM build_request AS asked WHERE asked.dataset = code
                             AND asked.period_from = $2 AND asked.period_to = $3)""",
        cadence, period_from, period_to, BY_CADENCE, clock.now(), _kept(late),
    )  # fmt: skip


def _kept(refusal: Refusal) -> str:
    """Return a refusal as a request's row keeps it, to be read in any language."""
    return json.dumps({"sentence": refusal.sentence, "fields": {k: str(v) for k, v in refusal.fields.items()}})


BY_CADENCE = "cadence"
"""Who asked, where nobody did."""


async def run_requests() -> None:
    """Build what was asked for, oldest first; a job."""
    while request := await fetch_one(
        "SELECT * FROM build_request WHERE ended_at IS NULL ORDER BY asked_at, id LIMIT 1"
    ):
        await _run(request)


async def _run(request: asyncpg.Record) -> None:
    await execute(
        "UPDATE build_request SET started_at = $2, step = '', share_micro = 0 WHERE id = $1", request["id"], clock.now()
    )
    release, refusal = None, None
    try:
        async with _telling(request["id"]) as report:
            release = await build(
                request["dataset"], period_from=request["period_from"], period_to=request["period_to"],
                revision=request["revision"], note_fr=request["note_fr"], note_en=request["note_en"],
                publish=request["publish"], progress=report,
            )  # fmt: skip
    except Refusal as refused:
        refusal = _kept(refused)
    await execute(
        """UPDATE build_request SET ended_at = $2, release = $3, refusal = $4,
               share_micro = CASE WHEN $3::uuid IS NULL THEN share_micro ELSE 1000000 END WHERE id = $1""",
        request["id"], clock.now(), release, refusal,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def _telling(request: uuid.UUID) -> AsyncIterator[Callable[[str, float], None]]:
    """Keep the latest word of a build, which may come from another thread, in the request's row: the first at once."""
    said = ("", 0.0)
    loop, news = asyncio.get_running_loop(), asyncio.Event()

    def report(step: str, share: float) -> None:
        nonlocal said
        said = (step, share)
        loop.call_soon_threadsafe(news.set)

    async def tell() -> None:
        while await news.wait():
            news.clear()
            step, share = said
            await execute(
                "UPDATE build_request SET step = $2, share_micro = $3 WHERE id = $1",
                request, step, round(share * 1_000_000),
            )  # fmt: skip
            await asyncio.sleep(TOLD_EVERY_SECONDS)

    telling = asyncio.create_task(tell())
    try:
        yield report
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling


async def list_requests(dataset: str) -> list[asyncpg.Record]:
    """Return a dataset's requests that are open, or that ended in the last week without a release; latest first."""
    return await fetch(
        """SELECT * FROM build_request WHERE dataset = $1 AND (ended_at IS NULL OR (release IS NULL AND ended_at > $2))
           ORDER BY asked_at DESC LIMIT 20""",
        dataset, clock.now() - dt.timedelta(days=7),
    )  # fmt: skip
