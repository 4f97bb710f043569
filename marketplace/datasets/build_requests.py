"""Builds asked for, by a steward or by a dataset's cadence, and carried out by a job that saves how far it is.

A request is a row; the build behind it is safe to repeat, so a request whose worker was killed is simply run again.
What a build refuses is written beside the request as the sentence people read.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from functools import partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace import clock, object_store
from marketplace.audit_trail.actions import note_action
from marketplace.builds.event_store import Store
from marketplace.database import Values, execute, fetch_row, fetch_rows, fetch_scalar, select, transaction
from marketplace.datasets import queries, rules
from marketplace.datasets.actions import build
from marketplace.datasets.dry_run import refuse_an_empty_build
from marketplace.datasets.queries import SQL
from marketplace.datasets.tables import BuildRequest, Dataset
from marketplace.errors import Conflict, Invalid, Refusal
from marketplace.locks import lock
from marketplace.progress import saved_progress

if TYPE_CHECKING:
    from marketplace.audit_trail.actions import Who
    from marketplace.datasets.publishing import AllowSale


ASKED_AGAIN_AFTER: Final = dt.timedelta(hours=6)
"""When a scheduled build that was refused, say for want of a table of subscribers, is asked for again."""
LATE_AFTER: Final = dt.timedelta(hours=12)
"""When a period whose days have not all come is reported as late, beside the requests."""
SHOWN_FOR: Final = dt.timedelta(days=7)
MOST_SHOWN: Final = 20
BY_CADENCE: Final = "cadence"
"""Who asked, where nobody did."""


class DaysMissing(Conflict):
    """Some days of a period were not ingested: a build would spend the budget on a hole."""


class Cadence(Struct, frozen=True):
    """How often some datasets are built by themselves, and in whose days, weeks and months."""

    cadence: str
    time_zone: str


class RequestRow(Struct, frozen=True):
    """A build asked for and how far it is; share_micro in millionths; refusal: JSON of the sentence and its fields."""

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
    """Ask for a release over the half-open period and return the request; the same id, or the same open build, is one.

    A period that has a release already gets its next revision, with a note on what changed. `publish` lets it out as
    soon as the gate lets it pass. Unless `even_if_empty`, a build is refused of which a dry run says that nothing would
    be published; unless `without_days`, one of days that were not ingested. Refuses what a build would refuse before it looks at anything: an empty, unaligned or
    future period, a revision without its notes, and a spent budget.
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
    """Refuse a period with days of UTC that no event was ingested of."""
    days, missing = await _missing_days(period_from, period_to)
    if missing:
        raise DaysMissing(
            "The period lasts from {begins} to {ends} UTC. Of the {days} days of UTC that it touches {missing} were not "
            "ingested, {first} the first of them. The budget would be spent all the same. Ingest them, or ask once more and "
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
    """Let a dataset's next release be asked for when a day, week or month is over; an empty cadence: by stewards alone."""
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
    """Ask for the latest period that is over of every dataset with a cadence, once, when its days have come; a job.

    The last day's files come after the day: a build at midnight would spend the budget on a hole. Events lie in days of
    UTC, so a local period waits for every one that it touches. A day that has not come half a day after its end is
    reported once, as a request that was refused; should it still come, the period is asked for.
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
    """Write a refused request for a period that waits for its days, beside every dataset of the cadence that has none."""
    late = Conflict(
        "The cadence waits: {missing} of the period's days were not ingested, {first} the first of them.",
        missing=len(missing),
        first=missing[0],
    )
    now = clock.now()
    await execute(SQL["record_late_periods"], row.cadence, *period, BY_CADENCE, now, _as_json(late), row.time_zone)


def _as_json(refusal: Refusal) -> str:
    """Return a refusal as a request's row has it, to be read in any language."""
    return json.dumps({"sentence": refusal.sentence, "fields": {k: str(v) for k, v in refusal.fields.items()}})


async def run_requests(*, allow: AllowSale | None = None) -> None:
    """Build what was asked for, oldest first; a job. allow: what refuses to publish, see publishing."""
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
