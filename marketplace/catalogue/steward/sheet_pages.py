"""The steward's pages of markets: define one, see what a sheet's next version would change, and state it.

A form's constants travel with it as text, so that nothing is lost where something is refused, and what a preview showed
is what is stated.
"""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Response, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.offers.previews import preview
from marketplace.catalogue.offers.stated import state_sheet
from marketplace.catalogue.sheets import rules
from marketplace.catalogue.sheets.queries import find_version, get_sheet, list_history, list_laws, list_versions
from marketplace.catalogue.steward import queries, sheet_actions, sheet_forms
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.web import formats
from marketplace.core.web.i18n import gettext
from marketplace.core.web.pages import again, download, in_words, localised, page, see
from marketplace.datasets.geography.queries import find_titles, get_geography
from marketplace.datasets.releases.queries import get_dataset
from marketplace.people.identity.guards import ActorRequest, expect, staff
from marketplace.privacy.product_registry import PRODUCTS
from pricing.money import EUR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from marketplace.catalogue.sheets.queries import SheetRow, StatedLawRow

reader, steward = staff("steward", "auditor"), staff("steward")
USUAL_PEOPLE: Final = 1_000
"""The people of a zone that are proposed where no release says how many live in its area."""
MOST_PEOPLE: Final = 10**9
LARGEST_FORM_BYTES: Final = rules.LARGEST_FILE_BYTES * 2
"""A form may hold a file's constants as text, encoded."""
OfDataset = Annotated[str, QueryParameter(name="dataset", max_length=63)]
PeopleElse = Annotated[int, QueryParameter(name="people", ge=1, le=MOST_PEOPLE)]


class MarketForm(Struct):
    """A market as a steward writes it: what the dataset counts."""

    form_id: uuid.UUID
    code: str = ""
    dataset: str = ""
    title_fr: str = ""
    title_en: str = ""
    currency: str = EUR


@get("/steward/sheets", guards=[reader], opt=expect("steward", "auditor"))
async def list_markets() -> Template:
    """List the markets with their sheets in force, and the datasets that no market counts yet."""
    now = clock.now()
    markets, laws = await queries.list_markets(now), [law for law in await list_laws() if law.starts_at <= now]
    in_force = {law.currency: law for law in reversed(laws)}
    tables = await find_titles(sorted({row.zone_table for row in markets if row.zone_table}))
    return page(
        "steward/sheets.html",
        markets=markets,
        laws=[(currency, _law_in_words(law)) for currency, law in in_force.items()],
        tables=tables,
        products={code: in_words(product.title) for code, product in PRODUCTS.items()},
        without=await queries.list_without_market(),
    )


@get("/steward/sheets/new", guards=[steward], opt=expect("steward"))
async def define_form(dataset: OfDataset = "") -> Template:
    """Ask a steward for a market; the form begins from a dataset."""
    form: dict[str, str] = {"currency": EUR, "dataset": dataset}
    if dataset:
        declared = await get_dataset(dataset)
        form |= {"code": f"{declared.product}-{declared.grain}"}
        form |= {"title_fr": declared.title_fr, "title_en": declared.title_en}
    return page("steward/sheet_new.html", form=form, error="", **await _datasets())


@post("/steward/sheets", guards=[steward], opt=expect("steward"))
async def define(
    data: Annotated[MarketForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: ActorRequest
) -> Redirect | Template:
    """Define a market; the same one again changes nothing."""
    try:
        if not data.dataset:
            raise Invalid("Choose a dataset first: the market counts what it counts.", field="dataset")
        code = await sheet_actions.define_market(
            request.user,
            data.code.strip(),
            dataset=data.dataset,
            titles=(data.title_fr.strip(), data.title_en.strip()),
            currency=data.currency.strip(),
        )
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        return again("steward/sheet_new.html", refusal, form=form, **await _datasets())
    return see(f"/steward/sheets/{code}")


@get("/steward/sheets/{code:str}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show(code: FromPath[str]) -> Template:
    """Show a market: its sheet in force, its versions, and the form of the next one."""
    shown = await _shown(code)
    return page("steward/sheet.html", error="", form=shown.pop("begun"), **shown)


@post(
    "/steward/sheets/{code:str}",
    guards=[steward],
    opt=expect("steward", stranger=200),
    status_code=200,
    request_max_body_size=LARGEST_FORM_BYTES,
)
async def state(code: FromPath[str], request: ActorRequest) -> Redirect | Template:
    """Preview a sheet's next version, or state it; what was typed is shown again where it is refused."""
    market, typed, step = await get_sheet(code), dict.fromkeys(sheet_forms.FIELDS, ""), ""
    try:
        form, file = await _sent(request)
        typed, step = {name: str(form.get(name, "")) for name in sheet_forms.FIELDS}, str(form.get("step", ""))
        typed |= {"constants": file.decode("utf-8-sig", "replace")} if file else {}
        document = await _read(market, typed, file)
        starts_at = sheet_forms.read_start(typed["starts_at"])
        if starts_at and starts_at < clock.now():
            raise Invalid("A sheet starts now or later, and after the version before it.", field="starts_at")
        if form.get("back"):
            return page("steward/sheet.html", error="", form=typed, **await _shown(code))
        if step == "state":
            seen = str(form.get("seen", ""))
            await state_sheet(
                code,
                document,
                request.user,
                version=_id(form),
                starts_at=starts_at,
                follows=int(seen) if seen.isdecimal() else None,
            )
            return see(f"/steward/sheets/{code}")
        changes = await preview(code, document, clock.now())
    except Refusal as refusal:
        shown = await _shown(code)
        return again("steward/sheet.html", refusal, form=typed, **shown)
    return page(
        "steward/sheet_preview.html",
        market=market,
        changes=changes,
        form=typed,
        fields=sheet_forms.FIELDS,
        document=document,
        starts_at=starts_at,
        seen=str(form.get("seen", "")),
    )


@get("/steward/sheets/{code:str}/constants.csv", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def constants(code: FromPath[str]) -> Response[bytes]:
    """Send the constants of the version stated last."""
    stated = await list_versions(code)
    if not stated:
        raise Invalid("No version of this sheet is stated yet.")
    body = rules.constants_file(rules.read(stated[0].document).zones)
    return download(f"{code}-{stated[0].number}.csv", body, "text/csv")


@get("/steward/sheets/{code:str}/proposal.csv", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def proposal(code: FromPath[str], people: PeopleElse = USUAL_PEOPLE) -> Response[bytes]:
    """Send constants to begin from; people: of each zone in whose area nobody is published."""
    return download(f"{code}.csv", await sheet_actions.propose_constants(code, people), "text/csv")


def _law_in_words(law: StatedLawRow) -> str:
    """Return a law of volume on one line: its steps, and the least charge."""
    steps = [
        gettext("{rate} beyond {amount}").format(
            rate=formats.percent_basis_points(rate), amount=formats.money(start, law.currency)
        )
        for start, rate in law.steps
    ]
    least = gettext("at least {amount}").format(amount=formats.money(law.least_minor, law.currency))
    return ", ".join([*steps, least])


async def _sent(request: ActorRequest) -> tuple[Mapping[str, Any], bytes]:
    """Return the fields of a form, and the content of its file, if there is one."""
    try:
        form = await request.form()
    except (ClientException, ValueError):
        raise Invalid("The file could not be read; send it again.") from None
    file = form.get("file")
    if not isinstance(file, UploadFile):
        return form, b""
    try:
        content = await file.read()
    finally:
        await file.close()
    if len(content) > rules.LARGEST_FILE_BYTES:
        raise Invalid("The file is larger than {most} MB.", most=rules.LARGEST_FILE_BYTES // 10**6, field="constants")
    return form, content


async def _read(market: SheetRow, typed: Mapping[str, str], file: bytes) -> rules.Document:
    """Return the sheet that a form states."""
    stated = await list_versions(market.code)
    geography = await get_geography(market.zone_table)
    return await asyncio.to_thread(
        sheet_forms.read_document,
        typed,
        file,
        geography=geography,
        level=market.h3_resolution,
        before=rules.read(stated[0].document) if stated else None,
    )


def _id(form: Mapping[str, Any]) -> uuid.UUID:
    """Return the form's id, which becomes the version's."""
    try:
        return uuid.UUID(str(form.get("form_id", "")))
    except ValueError:
        raise Invalid("This form has no number; go back, reload the page and try again.") from None


async def _shown(code: str) -> dict[str, Any]:
    """Return the contents of a market's page; `begun` is the form of the next version, nothing changed yet."""
    market, now = await get_sheet(code), clock.now()
    history, in_force = await list_history(code), await find_version(code, now)
    countable = await queries.list_countable(code)
    bands = next((one.age_bands for one in countable), [])
    last = (await list_versions(code))[0] if history else None
    begun = sheet_forms.typed_of(rules.read(last.document)) if last else sheet_forms.first_typed(market.product, bands)
    titles = await find_titles([market.zone_table] if market.zone_table else [])
    return {
        "market": market,
        "product": PRODUCTS[market.product],
        "table": titles.get(market.zone_table or ""),
        "history": history,
        "in_force": in_force,
        "stated": rules.read(in_force.document) if in_force else None,
        "countable": countable,
        "on_sale": next(row.on_sale for row in await queries.list_markets(now) if row.code == code),
        "begun": begun,
        "rights": sheet_forms.RIGHT_FIELDS,
        "purposes": [(field, in_words(PURPOSES[name])) for name, field in sheet_forms.PURPOSE_FIELDS.items()],
        "usual_people": USUAL_PEOPLE,
        "now": now,
    }


async def _datasets() -> dict[str, Any]:
    without = [(row.code, localised(row, "title")) for row in await queries.list_without_market()]
    known = {code for code, _ in without}
    every = [(row.code, localised(row, "title")) for row in await queries.list_every_dataset()]
    return {"dataset_choices": [("", ""), *without, *((code, title) for code, title in every if code not in known)]}


ROUTES = [list_markets, define_form, define, show, state, constants, proposal]
