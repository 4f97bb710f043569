"""The steward's pages of datasets: define one, see its budget, have releases built, with progress."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace import clock
from marketplace.consent.queries import list_purposes
from marketplace.datasets import actions, build_requests, queries, rules
from marketplace.datasets.dry_run import NothingToPublish
from marketplace.datasets.rules import DatasetTerms
from marketplace.datasets.year_budget import foresee
from marketplace.errors import Invalid, Refusal
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, staff
from marketplace.local_time import midnight
from marketplace.privacy.geography import OwnZones
from marketplace.privacy.product_registry import PRODUCTS
from marketplace.privacy.zone_input import names, read_area
from marketplace.web.i18n import gettext
from marketplace.web.pages import again, in_words, localised, page, see
from marketplace.zones.queries import get_geography, list_zone_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.privacy.geography import Geography

MICRO = 1_000_000
LARGEST_EPSILON = 1_000

Asked = Request[Actor, Any, Any]
Page = Annotated[int, QueryParameter(name="page", ge=1, le=1_000_000)]
reader, steward = staff("steward", "auditor"), staff("steward")


class DatasetForm(Struct):
    """A dataset as a steward writes it; epsilons in units, lists separated by commas."""

    form_id: uuid.UUID
    code: str
    purpose: str
    title_fr: str
    title_en: str
    description_fr: str
    description_en: str
    area: str
    zones: str
    age_bands: str
    h3_resolution: int
    grain: str
    unit: str
    mechanism: str
    max_cells: int
    max_events: int
    epsilon: str
    budget: str
    half_life_days: int
    zone_table: str = ""
    time_zone: str = "UTC"
    product: str = "presence"
    delta_exponent: int = 0
    parent_resolution: int = 0
    max_zones: int = 0
    editions: str = ""


class BuildForm(Struct):
    """The period a steward asks for: its first and its last day, of the dataset's time zone."""

    form_id: uuid.UUID
    first_day: str
    last_day: str
    note_fr: str = ""
    note_en: str = ""
    publish: str = ""
    even_if_empty: str = ""


class CadenceForm(Struct):
    """How often a dataset is built by itself."""

    form_id: uuid.UUID
    cadence: str


@get("/steward/datasets", guards=[reader], opt=expect("steward", "auditor"))
async def list_datasets(number: Page = 1) -> Template:
    """Show every dataset with what is left of its budget, and of the subscribers' years."""
    return page(
        "datasets/datasets.html",
        datasets=await queries.list_datasets(number),
        years=await queries.list_subscriber_years(),
        forecast=await foresee(clock.now()),
    )


@get("/steward/datasets/new", guards=[steward], opt=expect("steward"))
async def define_form() -> Template:
    """Ask a steward what is to be counted."""
    return page("datasets/define.html", form={}, error="", **await _choices())


@post("/steward/datasets", guards=[steward], opt=expect("steward"))
async def define(data: Annotated[DatasetForm, Body(media_type=RequestEncodingType.URL_ENCODED)]) -> Redirect | Template:
    """Define a dataset; the same one again changes nothing."""
    try:
        code = await actions.define(_terms(data, await get_geography(data.zone_table)))
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        return again("datasets/define.html", refusal, form=form, **await _choices())
    return see(f"/steward/datasets/{code}")


def _terms(data: DatasetForm, geography: Geography) -> DatasetTerms:
    """Return the terms that a form states; refuse what cannot be read."""
    return DatasetTerms(
        code=data.code.strip(),
        purpose=data.purpose,
        title_fr=data.title_fr.strip(),
        title_en=data.title_en.strip(),
        description_fr=data.description_fr.strip(),
        description_en=data.description_en.strip(),
        area=data.area.strip(),
        zones=_area(data.zones, data.h3_resolution, geography),
        age_bands=_words(data.age_bands),
        h3_resolution=data.h3_resolution,
        grain=data.grain,
        max_cells=data.max_cells,
        max_events=data.max_events,
        epsilon_micro=_micro(data.epsilon),
        budget_micro=_micro(data.budget),
        half_life_days=data.half_life_days,
        unit=data.unit,
        mechanism=data.mechanism,
        delta_exponent=data.delta_exponent,
        max_zones=data.max_zones,
        parent_resolution=data.parent_resolution,
        edition_multiples=[_whole(word) for word in _words(data.editions)],
        product=data.product,
        zone_table=data.zone_table or None,
        time_zone=data.time_zone.strip(),
    )


@get("/steward/datasets/{code:str}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_dataset(code: FromPath[str], number: Page = 1) -> Template:
    """Show one dataset's promise, its budget, what is being built and its releases in every state."""
    return page("datasets/dataset.html", error="", form={}, **await _shown(code, number))


@post("/steward/datasets/{code:str}/builds", guards=[steward], opt=expect("steward", stranger=200))
async def request_build(
    code: FromPath[str], data: Annotated[BuildForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: Asked
) -> Redirect | Template:
    """Ask for a release; a job builds it and the dataset's page shows how far it is."""
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
        )
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        form["is_empty"] = isinstance(refusal, NothingToPublish)
        return again("datasets/dataset.html", refusal, form=form, **await _shown(code, 1))
    return see(f"/steward/datasets/{code}")


@post("/steward/datasets/{code:str}/cadence", guards=[steward], opt=expect("steward", stranger=200))
async def set_cadence(
    code: FromPath[str], data: Annotated[CadenceForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Let releases be built by themselves, or not."""
    await build_requests.set_cadence(code, data.cadence)
    return see(f"/steward/datasets/{code}")


async def _choices() -> dict[str, Any]:
    choices = [(row.code, localised(row, "title")) for row in await list_purposes()]
    tables = [(row.code, row.code) for row in await list_zone_tables()]
    return {
        "purpose_choices": choices,
        "table_choices": [("", gettext("H3 cells")), *tables],
        "product_choices": [(product.code, in_words(product.title)) for product in PRODUCTS.values()],
    }


async def _shown(code: str, number: int) -> dict[str, Any]:
    dataset = await queries.get_dataset(code)
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
    }


def _area(text: str, level: int, geography: Geography) -> list[str]:
    """Return the zones a steward names, as they are, or draws; of a table of their own, all of a level where they say none."""
    if isinstance(geography, OwnZones) and not text.strip():
        return geography.whole(level)
    if text.lstrip().startswith("{"):
        return sorted(read_area(text, level, geography))
    return sorted(set(names(text)))


def _sentence(refusal: str | None) -> str:
    """Return a request's refusal in the reader's language."""
    if refusal is None:
        return ""
    stated: Mapping[str, Any] = json.loads(refusal)
    return gettext(stated["sentence"]).format(**stated["fields"])


def _micro(text: str) -> int:
    """Read an epsilon such as 0.5 as whole millionths."""
    try:
        micro = Decimal(text.strip().replace(",", ".")) * MICRO
        if 0 < micro <= LARGEST_EPSILON * MICRO and micro == micro.to_integral_value():
            return int(micro)
    except InvalidOperation:
        pass
    raise Invalid("An epsilon is a number above zero, with six decimals at most.")


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:  # noqa: PLR2004 (far beyond any useful multiple)
        raise Invalid("Editions are whole multiples of the noise’s variance, such as 4, 16.")
    return int(text)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid("A day is written as 2026-03-28.") from None


ROUTES = [
    list_datasets,
    define_form,
    define,
    show_dataset,
    request_build,
    set_cadence,
]
