"""The page of zones before buying: written, clicked or uploaded; what the free map says, and for partners what survives."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from litestar import Request, get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.addresses.queries import has_addresses
from marketplace.catalogue import queries as catalogue
from marketplace.chosen_zones import actions, previews, queries, rules
from marketplace.datasets.queries import list_revocations
from marketplace.errors import Conflict, Invalid, NotAllowed, Refusal
from marketplace.glance import centres
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner
from marketplace.interest.actions import count_preview
from marketplace.map_layers.queries import name_zones, over
from marketplace.map_layers.wording import write_where
from marketplace.pictures import picture
from marketplace.web.maps import MOST_TITLED_HEXES
from marketplace.web.pages import again, page, see
from marketplace.zones.queries import drawn_outlines, get_geography

if TYPE_CHECKING:
    from collections.abc import Mapping

Asked = Request[Actor, Any, Any]
Chosen = Annotated[uuid.UUID | None, QueryParameter(name="release")]
Earlier = Annotated[uuid.UUID | None, QueryParameter(name="kept")]
CLASSES = 3


class DeletionForm(Struct):
    """A button, and the dataset whose page it is on."""

    form_id: uuid.UUID
    dataset: str = ""


@get("/datasets/{code:str}/preview", opt=expect("anyone", stranger=200))
async def form(request: Asked, code: FromPath[str], release: Chosen = None, kept: Earlier = None) -> Template:
    """Ask anybody for zones; a partner may begin with those that its company keeps."""
    zones = ""
    if kept and request.user and request.user.partner:
        zones = (await queries.get_kept(request.user.partner, kept)).zones
    return page("chosen_zones/preview.html", error="", **await _shown(request, code, release, zones))


@post("/datasets/{code:str}/preview", opt=expect("anyone", stranger=200), status_code=200)
async def preview(request: Asked, code: FromPath[str]) -> Template:
    """Show what the free map says of zones and, to a vetted partner, what share of their figures the release has."""
    fields = await _fields(request)
    typed, release = str(fields.get("zones", ""))[: rules.LARGEST_FILE_BYTES], _id(fields.get("release"))
    zones = typed
    shown: dict[str, Any] = {}
    try:
        if _is_vetted(request):
            assert request.user.partner
            asked = release or (await catalogue.get_listing(code)).latest
            await previews.check_left(request.user.partner, asked, _form(fields))
        zones = await _with_file(request, fields.get("file"), typed)
        shown = await _shown(request, code, release, zones)
        if not _is_vetted(request) and len(zones) > rules.LONGEST_OF_STRANGERS:
            raise Invalid("That is too long; sign in as a vetted partner to ask about more.", field="zones")
        dataset = shown["listing"].code
        chosen = await queries.read_choice(zones, dataset, shown["picture"].zones)
        shown |= {"chosen": chosen, "selected": set(chosen.zones)}
        shown["answer"] = rules.answer(chosen.zones, shown["picture"].glance.classes, CLASSES)
        if not chosen.zones:
            raise Invalid("None of those zones is in this dataset's area.", field="zones")
        if _is_vetted(request):
            assert request.user.partner
            written = " ".join([*chosen.zones, *chosen.outside])
            shown["survives"] = await previews.preview_zones(
                request.user.partner, shown["release"].id, written, preview_id=_form(fields)
            )
    except Refusal as refusal:
        shown = shown or await _shown(request, code, release, typed)
        is_files = zones != typed and not shown["selected"]
        shown |= {"zones": typed} if is_files else {}
        return again("chosen_zones/preview.html", _at_field(refusal, "file" if is_files else "zones"), **shown)
    await count_preview(shown["listing"].code, request.user)
    return page("chosen_zones/preview.html", error="", **shown)


@post("/zones/kept", guards=[partner], opt=expect("partner"))
async def keep(request: Asked) -> Redirect | Template:
    """Keep zones for the company, and go on with them; where they cannot be, the page is as before, and says why."""
    fields = await _fields(request)
    kept, zones = _form(fields), str(fields.get("zones", ""))
    name = str(fields.get("name", ""))
    listing = await catalogue.get_listing(str(fields.get("dataset", "")))
    try:
        await actions.keep(request.user, kept, name=name, zones=zones)
    except (Invalid, Conflict) as refusal:
        shown = await _shown(request, listing.code, None, zones[: rules.LARGEST_FILE_BYTES])
        with suppress(Refusal):
            chosen = await queries.read_choice(zones, listing.code, shown["picture"].zones)
            answer = rules.answer(chosen.zones, shown["picture"].glance.classes, CLASSES)
            shown |= {"chosen": chosen, "selected": set(chosen.zones), "answer": answer}
        return again("chosen_zones/preview.html", refusal, name=_shown_again(name), **shown)
    return see(f"/datasets/{listing.code}/preview?kept={kept}")


@post("/zones/kept/{kept:uuid}/deletion", guards=[partner], opt=expect("partner", stranger=404))
async def delete(
    request: Asked,
    kept: FromPath[uuid.UUID],
    data: Annotated[DeletionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Delete zones that the company keeps."""
    assert request.user.partner
    await actions.delete(request.user.partner, kept)
    return see(f"/datasets/{data.dataset}/preview" if data.dataset else "/catalogue")


def _shown_again(text: str) -> str:
    """Return what was written as a page may show it: as much as fits, without signs that no page has."""
    return "".join(sign for sign in text if sign.isprintable())[: actions.LONGEST_NAME]


def _at_field(refusal: Refusal, field: str) -> Refusal:
    """Return a refusal of zones at the field that has them: also one that names no field, such as JSON that is none."""
    is_its = isinstance(refusal, Invalid) and refusal.fields.get("field", "zones") == "zones"
    return Invalid(refusal.sentence, **{**refusal.fields, "field": field}) if is_its else refusal


async def _shown(request: Asked, code: str, release: uuid.UUID | None, zones: str) -> dict[str, Any]:
    """Return what the page shows before anything is asked."""
    listing = await catalogue.get_listing(code)
    shown = await catalogue.get_listed_release(code, release or listing.latest)
    if await list_revocations([shown.id]):
        raise Conflict("This release was called back and is no longer for sale.")
    seen, geography = await picture(shown), await get_geography(listing.zone_table)
    some = seen.zones[:MOST_TITLED_HEXES]
    outlines = await drawn_outlines(geography, some)
    buyer = request.user.partner if request.user else None
    places = centres({zone: geography.shape(zone) for zone in some})
    return {
        "listing": listing,
        "release": shown,
        "picture": seen,
        "outlines": outlines,
        "over": await over(outlines.frame),
        "names": await name_zones(listing.zone_table, geography, places, write_where) or {},
        "zones": zones,
        "selected": set(),
        "chosen": None,
        "answer": None,
        "survives": None,
        "kept": await queries.list_kept(buyer) if buyer else [],
        "known_names": await queries.list_names(),
        "has_addresses": await has_addresses(),
        "may_upload": _is_vetted(request),
    }


async def _fields(request: Asked) -> Mapping[str, Any]:
    try:
        fields: Mapping[str, Any] = await request.form()
    except (ClientException, ValueError):
        raise Invalid("The file could not be read; send it again.") from None
    return fields


async def _with_file(request: Asked, file: object, zones: str) -> str:
    """Return the zones of an uploaded file, those written where there is none."""
    if not isinstance(file, UploadFile) or not file.filename:
        return zones
    try:
        if not _is_vetted(request):
            raise NotAllowed("Files are for vetted partners; write the zones instead.")
        return await asyncio.to_thread(rules.read_file, await file.read(rules.LARGEST_FILE_BYTES + 1))
    finally:
        await file.close()


def _is_vetted(request: Asked) -> bool:
    return bool(request.user and request.user.partner and request.user.vetted)


def _id(text: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text)) if text else None
    except ValueError:
        return None


def _form(fields: Mapping[str, Any]) -> uuid.UUID:
    """Return the form's id, which makes the same question again the same."""
    form_id = _id(fields.get("form_id"))
    if form_id is None:
        raise Invalid("This form is incomplete; reload the page and try again.")
    return form_id


ROUTES = [form, preview, keep, delete]
