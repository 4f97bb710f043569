"""Builds requested by a steward or by a dataset's cadence, run by a job that records their progress.

A request is a row. Its build is safe to repeat, so a request whose worker was killed is simply run again. A build's
refusal is stored in the request's row as the sentence that people read.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock, object_store
from marketplace.core.database import Values, execute, fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.core.errors import Conflict, Invalid, Refusal
from marketplace.core.locks import lock
from marketplace.core.progress import saved_progress
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.releases import queries, rules
from marketplace.datasets.releases.actions import build
from marketplace.datasets.releases.dry_run import refuse_an_empty_build
from marketplace.datasets.releases.queries import SQL
from marketplace.datasets.releases.tables import BuildRequest, Dataset
from marketplace.people.audit_trail.actions import note_action

if TYPE_CHECKING:
    from marketplace.datasets.releases.publishing import AllowSale
    from marketplace.people.audit_trail.actions import Who


ASKED_AGAIN_AFTER: Final = dt.timedelta(hours=6)
"""After so long a refused scheduled build, for example without a table of subscribers, is requested again."""
LATE_AFTER: Final = dt.timedelta(hours=12)
"""After so long a period with missing days is reported as late, in the list of requests."""
SHOWN_FOR: Final = dt.timedelta(days=7)
MOST_SHOWN: Final = 20
BY_CADENCE: Final = "cadence"
"""The requester of a build that nobody requested."""


class DaysMissing(Conflict):
    """Some days of a period were not ingested: a build would spend the budget on incomplete data."""


class Cadence(Struct, frozen=True):
    """How often some datasets are built automatically, and the time zone of their days, weeks and months."""

    cadence: str
    time_zone: str


class RequestRow(Struct, frozen=True):
    """A requested build and its progress; share_micro in millionths; refusal: JSON of the sentence and its fields."""

    id: uuid.UUID
    dataset: str
    period_from: dt.datetime
    period_to: dt.datetime
    revision: int
    note_fr: str
    note_en: str
    publish: bool
    asked_by: str
    asked_at: dt.datetime
    step: str
    share_micro: int
    ended_at: dt.datetime | None
    refusal: str | None


async def request_build(
    dataset: str,
    period_from: dt.datetime,
    period_to: dt.datetime,
    *,
    request_id: uuid.UUID,
    by: str,
    note_fr: str = "",
    note_en: str = "",
    publish: bool = False,
    even_if_empty: bool = False,
    without_days: bool = False,
) -> uuid.UUID:
    """Request a release over the half-open period and return the request; the same id, or the same open build, is one.

    A period that already has a release gets its next revision, with a note on the changes. With `publish` it is
    published as soon as it passes the gate. Unless `even_if_empty`, refuses a build that would publish nothing
    according to a dry run; unless `without_days`, refuses one with days that were not ingested. Also refuses what a
    build refuses before it reads data: an empty, unaligned or future period, a revision without its notes, and a spent
    budget.
    """
    now = clock.now()
    if not even_if_empty:
        await refuse_an_empty_build(dataset, period_from, period_to)
    async with transaction():
        await lock(f"build requests {dataset}")
        terms = await queries.get_dataset(dataset)
        specification = await queries.get_specification(terms, period_from, period_to)
        if specification.period_to > now:
            raise Invalid("The period is not over yet.")
        if not without_days:
            await refuse_missing_days(period_from, period_to)
        start, end = specification.period_from, specification.period_to
        of_period = (BuildRequest.dataset == dataset) & (BuildRequest.period_from == start)
        is_open = of_period & (BuildRequest.period_to == end) & BuildRequest.ended_at.is_null()
        open_one = BuildRequest.select(BuildRequest.id).where((BuildRequest.id == request_id) | is_open)
        if found := await fetch_scalar(uuid.UUID, open_one):
            return found
        if terms.spent_micro + terms.epsilon_micro > terms.budget_micro:
            raise Conflict(
                "The privacy budget of {dataset} is spent: no release of it can be built any more.", dataset=dataset
            )
        revision = 1 + await queries.get_last_revision(specification, counted_only=True)
        if revision > 1 and not (note_fr.strip() and note_en.strip()):
            raise Invalid("That period has a release already: say in both languages what its next revision changes.")
        await BuildRequest.insert(
            BuildRequest(
                id=request_id,
                dataset=dataset,
                period_from=start,
                period_to=end,
                revision=revision,
                note_fr=note_fr.strip(),
                note_en=note_en.strip(),
                publish=publish,
                asked_by=by,
                asked_at=now,
            )
        )
    return request_id


async def refuse_missing_days(period_from: dt.datetime, period_to: dt.datetime) -> None:
    """Refuse a period with days of UTC for which no event was ingested."""
    days, missing = await _missing_days(period_from, period_to)
    if missing:
        raise DaysMissing(
            "The period lasts from {begins} to {ends} UTC. Of the {days} days of UTC that it touches {missing} were not "
            "ingested, {first} the first of them. The budget would still be spent. Ingest them, or ask once more and "
            "say that you want it without them.",
            begins=f"{period_from:%Y-%m-%d %H:%M}",
            ends=f"{period_to:%Y-%m-%d %H:%M}",
            missing=len(missing),
            days=days,
            first=missing[0],
        )


async def _missing_days(period_from: dt.datetime, period_to: dt.datetime) -> tuple[int, list[dt.date]]:
    """Return how many days of UTC a period touches, and those without an event in the store, ascending."""
    days = rules.days_of(period_from, period_to)
    store = await asyncio.to_thread(lambda: Store(object_store.store()))
    return len(days), sorted({*days} - {*store.days(days[0], days[-1] + dt.timedelta(days=1))})


async def set_cadence(dataset: str, cadence: str, *, by: Who = None) -> None:
    """Request a dataset's next release after each day, week or month; empty: only stewards request."""
    if cadence not in rules.CADENCES:
        raise Invalid("The cadence must be day, week, month, or none.")
    was = await queries.get_dataset(dataset)
    if was.grain == "week" and cadence not in {"", "week"}:
        raise Invalid("A dataset that is counted by week is built by week.")
    async with transaction():
        is_other = (Dataset.code == dataset) & (Dataset.cadence != cadence)
        if await Dataset.update({Dataset.cadence: cadence}).where(is_other).returning(Dataset.code):
            before, after = {"cadence": was.cadence}, {"cadence": cadence}
            await note_action(by, "cadence_set", dataset, before=before, after=after)


async def refresh_datasets() -> None:
    """Request the latest completed period of every dataset with a cadence, once, when its days have come; a job.

    The last day's files come after the day: a build at midnight would spend the budget on incomplete data. Events are
    stored by days of UTC, so a local period waits for every one that it touches. A day still missing half a day after
    its end is reported once, as a refused request; if it comes later, the period is requested.
    """
    now = clock.now()
    store = await asyncio.to_thread(lambda: Store(object_store.store()))
    some = select(Cadence, Dataset).where(Dataset.cadence != "").distinct()
    for row in await fetch_rows(Cadence, some.order_by(Dataset.cadence, Dataset.time_zone)):
        period = rules.latest_period(row.cadence, now, row.time_zone)
        days = rules.days_of(*period)
        if missing := sorted({*days} - {*store.days(days[0], days[-1] + dt.timedelta(days=1))}):
            if now >= rules.end_of(days[-1]) + LATE_AFTER:
                await _record_late(row, period, missing)
            continue
        again = now - ASKED_AGAIN_AFTER
        await execute(SQL["request_scheduled_builds"], row.cadence, *period, BY_CADENCE, now, again, row.time_zone)


async def _record_late(row: Cadence, period: tuple[dt.datetime, dt.datetime], missing: list[dt.date]) -> None:
    """Record a refused request for a period with missing days, for the cadence's datasets without a request."""
    late = Conflict(
        "The cadence waits: {missing} of the period's days were not ingested, {first} the first of them.",
        missing=len(missing),
        first=missing[0],
    )
    now = clock.now()
    await execute(SQL["record_late_periods"], row.cadence, *period, BY_CADENCE, now, _as_json(late), row.time_zone)


def _as_json(refusal: Refusal) -> str:
    """Return a refusal in the form of a request's row, to be read in any language."""
    return json.dumps({"sentence": refusal.sentence, "fields": {k: str(v) for k, v in refusal.fields.items()}})


async def run_requests(*, allow: AllowSale | None = None) -> None:
    """Build the open requests, oldest first; a job. allow: may refuse to publish, see publishing."""
    waiting = select(RequestRow, BuildRequest).where(BuildRequest.ended_at.is_null())
    oldest = waiting.order_by(BuildRequest.asked_at, BuildRequest.id).limit(1)
    while request := await fetch_row(RequestRow, oldest):
        await _run(request, allow)


async def _run(request: RequestRow, allow: AllowSale | None) -> None:
    this = BuildRequest.id == request.id
    started: Values = {
        BuildRequest.started_at: clock.now(),
        BuildRequest.step: "",
        BuildRequest.share_micro: 0,
    }
    await BuildRequest.update(started).where(this)
    try:
        async with saved_progress(partial(_save_progress, request.id)) as report:
            if request.asked_by == BY_CADENCE:
                await refuse_an_empty_build(request.dataset, request.period_from, request.period_to)
            release = await build(
                request.dataset,
                period_from=request.period_from,
                period_to=request.period_to,
                revision=request.revision,
                note_fr=request.note_fr,
                note_en=request.note_en,
                publish=request.publish,
                progress=report,
                allow=allow,
            )
        ended: Values = {BuildRequest.release: release, BuildRequest.share_micro: 1_000_000}
    except Refusal as refused:
        ended = {BuildRequest.refusal: _as_json(refused)}
    await BuildRequest.update(ended | {BuildRequest.ended_at: clock.now()}).where(this)


async def _save_progress(request: uuid.UUID, step: str, share: float) -> None:
    progress: Values = {BuildRequest.step: step, BuildRequest.share_micro: round(share * 1_000_000)}
    await BuildRequest.update(progress).where(BuildRequest.id == request)


async def list_requests(dataset: str) -> list[RequestRow]:
    """Return a dataset's requests that are open, or that ended in the last week without a release; latest first."""
    is_recent = BuildRequest.release.is_null() & (BuildRequest.ended_at > clock.now() - SHOWN_FOR)
    shown = select(RequestRow, BuildRequest).where(
        BuildRequest.dataset == dataset, BuildRequest.ended_at.is_null() | is_recent
    )
    return await fetch_rows(RequestRow, shown.order_by(BuildRequest.asked_at, ascending=False).limit(MOST_SHOWN))
