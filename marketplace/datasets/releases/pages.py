"""The steward's pages of datasets: see the budget of each, have releases built, with progress."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.core import clock, object_store
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.local_time import midnight
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import PageNumber, again, page, see
from marketplace.datasets.builds.event_store import Store
from marketplace.datasets.releases import build_requests, queries, rules
from marketplace.datasets.releases.dry_run import NothingToPublish
from marketplace.datasets.releases.year_budget import foresee
from marketplace.people.identity.guards import ActorRequest, expect, staff
from marketplace.privacy.product_registry import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Mapping


reader, steward = staff("steward", "auditor"), staff("steward")
USUAL_DAYS = 7
FIRST_DAY, LAST_DAY = dt.date(1970, 1, 1), dt.date(9999, 12, 31)


class BuildForm(Struct):
    """The period that a steward requests: its first and last day, in the dataset's time zone."""

    form_id: uuid.UUID
    first_day: str
    last_day: str
    note_fr: str = ""
    note_en: str = ""
    publish: str = ""
    even_if_empty: str = ""
    without_days: str = ""


class CadenceForm(Struct):
    """How often a dataset is built automatically."""

    form_id: uuid.UUID
    cadence: str


@get("/steward/datasets", guards=[reader], opt=expect("steward", "auditor"))
async def list_datasets(number: PageNumber = 1) -> Template:
    """Show every dataset with its remaining budget and that of the subscribers' years."""
    return page(
        "releases/datasets.html",
        datasets=await queries.list_datasets(number),
        years=await queries.list_subscriber_years(),
        forecast=await foresee(clock.now()),
    )


@get("/steward/datasets/{code:str}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_dataset(code: FromPath[str], number: PageNumber = 1) -> Template:
    """Show one dataset's promise, its budget, its open builds and its releases in every state."""
    return page("releases/dataset.html", error="", form={}, **await _shown(code, number))


@post("/steward/datasets/{code:str}/builds", guards=[steward], opt=expect("steward", stranger=200))
async def request_build(
    code: FromPath[str],
    data: Annotated[BuildForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Request a release; a job builds it and the dataset's page shows its progress."""
    try:
        time_zone = (await queries.get_dataset(code)).time_zone
        await build_requests.request_build(
            code,
            midnight(_day(data.first_day), time_zone),
            midnight(_day(data.last_day) + dt.timedelta(days=1), time_zone),
            request_id=data.form_id,
            by=request.user.name,
            note_fr=data.note_fr,
            note_en=data.note_en,
            publish=data.publish == "yes",
            even_if_empty=data.even_if_empty == "yes",
            without_days=data.without_days == "yes",
        )
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        form["is_empty"] = data.even_if_empty or isinstance(refusal, NothingToPublish)
        form["lacks_days"] = data.without_days or isinstance(refusal, build_requests.DaysMissing)
        return again("releases/dataset.html", refusal, form=form, **await _shown(code, 1))
    return see(f"/steward/datasets/{code}")


@post("/steward/datasets/{code:str}/cadence", guards=[steward], opt=expect("steward", stranger=200))
async def set_cadence(
    code: FromPath[str],
    data: Annotated[CadenceForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect:
    """Let releases be built automatically, or not."""
    await build_requests.set_cadence(code, data.cadence, by=request.user)
    return see(f"/steward/datasets/{code}")


async def _ingested() -> list[dt.date]:
    """Return the days of UTC with ingested events, ascending; empty if the object store does not answer."""
    try:
        return await asyncio.to_thread(lambda: Store(object_store.store()).days(FIRST_DAY, LAST_DAY))
    except (Refusal, *object_store.TROUBLES):
        return []


async def _usual_days(code: str) -> int:
    """Return how many days a dataset's latest release covers, or a week."""
    latest = await queries.find_latest_release(code)
    return max(round((latest.period_to - latest.period_from) / dt.timedelta(days=1)), 1) if latest else USUAL_DAYS


async def _shown(code: str, number: int) -> dict[str, Any]:
    dataset, ingested = await queries.get_dataset(code), await _ingested()
    suggested = rules.suggest_days(
        ingested, clock.now(), time_zone=dataset.time_zone, grain=dataset.grain, length=await _usual_days(code)
    )
    asked = await build_requests.list_requests(code)
    return {
        "dataset": dataset,
        "product": PRODUCTS[dataset.product],
        "zones": len(await queries.key_zones(code)),
        "releases": await queries.list_releases(code, number),
        "requests": asked,
        "why": {row.id: _sentence(row.refusal) for row in asked},
        "is_building": any(row.ended_at is None for row in asked),
        "cadences": rules.CADENCES,
        "ingested": rules.spans_of(ingested),
        "suggested": suggested or ("", ""),
    }


def _sentence(refusal: str | None) -> str:
    """Return a request's refusal in the reader's language."""
    if refusal is None:
        return ""
    stated: Mapping[str, Any] = json.loads(refusal)
    return gettext(stated["sentence"]).format(**stated["fields"])


def _day(text: str) -> dt.date:
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        day = LAST_DAY
    if not FIRST_DAY <= day < LAST_DAY:
        raise Invalid("A day is written as 2026-03-28.")
    return day


ROUTES = [list_datasets, show_dataset, request_build, set_cadence]
