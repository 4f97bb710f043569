"""The steward's page of a dataset's definition: new, from a template, or from a copy."""

from __future__ import annotations

import uuid
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.steward import actions, starting_points
from marketplace.catalogue.steward.starting_points import STARTING_POINTS
from marketplace.catalogue.steward.terms_pages import whole
from marketplace.consent.purposes.queries import list_purposes
from marketplace.consent.switches.rules import SECTORS, sectors_in_order
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import again, in_words, localised, page, see
from marketplace.datasets.geography.queries import get_geography, list_zone_tables
from marketplace.datasets.releases import queries
from marketplace.datasets.releases.rules import DatasetTerms
from marketplace.people.identity.guards import ActorRequest, expect, staff
from marketplace.privacy.geography import OwnZones
from marketplace.privacy.product_registry import DEFAULT_PRODUCT, PRODUCTS
from marketplace.privacy.zone_input import names, read_area

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.privacy.geography import Geography

MICRO = 1_000_000
LARGEST_EPSILON = 1_000

Copied = Annotated[str, QueryParameter(name="copy", max_length=63)]
FromTemplate = Annotated[str, QueryParameter(name="template", max_length=63)]
steward = staff("steward")
LARGEST_DIGITS = 10
"""Digits of a number that a dataset's terms limit themselves, to a million."""


class DatasetForm(Struct):
    """A dataset as a steward writes it, all of it as text; epsilons in units, lists separated by commas."""

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
    h3_resolution: str
    grain: str
    unit: str
    mechanism: str
    max_cells: str
    max_events: str
    epsilon: str
    budget: str
    zone_table: str = ""
    time_zone: str = "UTC"
    product: str = DEFAULT_PRODUCT
    delta_exponent: str = "0"
    parent_resolution: str = "0"
    max_zones: str = "0"
    editions: str = ""
    sectors: str = ""
    variant_of: str = ""


@get("/steward/datasets/new", guards=[steward], opt=expect("steward"))
async def define_form(copied: Copied = "", template: FromTemplate = "") -> Template:
    """Ask a steward for a definition; the form may begin from a template or an existing dataset."""
    form: Mapping[str, str] = {}
    if copied:
        form = starting_points.copied(await queries.get_dataset(copied))
    elif template in STARTING_POINTS:
        form = STARTING_POINTS[template].form
    return page("steward/define.html", form=form, error="", **await _choices())


@post("/steward/datasets", guards=[steward], opt=expect("steward"))
async def define(
    data: Annotated[DatasetForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: ActorRequest
) -> Redirect | Template:
    """Define a dataset; the same one again changes nothing."""
    try:
        code = await actions.define_dataset(request.user, _terms(data, await get_geography(data.zone_table)))
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        return again("steward/define.html", refusal, form=form, **await _choices())
    return see(f"/steward/datasets/{code}")


def _terms(data: DatasetForm, geography: Geography) -> DatasetTerms:
    """Return the terms of a form; refuse unreadable ones."""
    level = whole(data.h3_resolution, "h3_resolution")
    return DatasetTerms(
        code=data.code.strip(),
        purpose=data.purpose,
        title_fr=data.title_fr.strip(),
        title_en=data.title_en.strip(),
        description_fr=data.description_fr.strip(),
        description_en=data.description_en.strip(),
        area=data.area.strip(),
        zones=_area(data.zones, level, geography),
        age_bands=_words(data.age_bands),
        h3_resolution=level,
        grain=data.grain,
        max_cells=whole(data.max_cells, "max_cells", digits=LARGEST_DIGITS),
        max_events=whole(data.max_events, "max_events", digits=LARGEST_DIGITS),
        epsilon_micro=_micro(data.epsilon, "epsilon"),
        budget_micro=_micro(data.budget, "budget"),
        unit=data.unit,
        mechanism=data.mechanism,
        delta_exponent=whole(data.delta_exponent, "delta_exponent"),
        max_zones=whole(data.max_zones, "max_zones", digits=LARGEST_DIGITS),
        parent_resolution=whole(data.parent_resolution, "parent_resolution"),
        edition_multiples=[_whole(word) for word in _words(data.editions)],
        product=data.product,
        zone_table=data.zone_table or None,
        time_zone=data.time_zone.strip(),
        sectors=sectors_in_order(_words(data.sectors)),
        variant_of=data.variant_of or None,
    )


async def _choices() -> dict[str, Any]:
    choices = [(row.code, localised(row, "title")) for row in await list_purposes()]
    tables = [(row.code, row.code) for row in await list_zone_tables()]
    return {
        "purpose_choices": choices,
        "table_choices": [("", gettext("H3 cells")), *tables],
        "variant_choices": [
            ("", gettext("of none")),
            *((row.code, row.code) for row in (await queries.list_datasets()).rows),
        ],
        "sector_codes": ", ".join(f"{code} ({in_words(words)})" for code, words in SECTORS.items()),
        "points": [(code, in_words(point.words)) for code, point in STARTING_POINTS.items()],
        "defined": [(row.code, localised(row, "title")) for row in (await queries.list_datasets()).rows],
        "product_choices": [(product.code, in_words(product.title)) for product in PRODUCTS.values()],
    }


def _area(text: str, level: int, geography: Geography) -> list[str]:
    """Return the zones that a steward names or draws; with a zone table and no zones, all of a level."""
    if isinstance(geography, OwnZones) and not text.strip():
        return geography.whole(level)
    if text.lstrip().startswith("{"):
        return sorted(read_area(text, level, geography))
    return sorted(set(names(text)))


def _micro(text: str, field: str) -> int:
    """Read an epsilon such as 0.5 as whole millionths."""
    try:
        micro = Decimal(text.strip().replace(",", ".")) * MICRO
        if 0 < micro <= LARGEST_EPSILON * MICRO and micro == micro.to_integral_value():
            return int(micro)
    except InvalidOperation:
        pass
    raise Invalid("An epsilon is a number above zero, with six decimals at most.", field=field)


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 6:  # noqa: PLR2004 (far beyond any useful multiple)
        raise Invalid("Editions are whole multiples of the noise’s variance, such as 4, 16.", field="editions")
    return int(text)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


ROUTES = [define_form, define]
