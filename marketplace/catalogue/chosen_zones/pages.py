"""The page of own zones before buying: which of them the dataset has and, for partners, the share that survives."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.chosen_zones import actions, previews, queries, rules
from marketplace.catalogue.offers import queries as catalogue
from marketplace.core.errors import Conflict, Invalid, NotAllowed, Refusal, existing
from marketplace.core.web.maps import MOST_TITLED_HEXES
from marketplace.core.web.pages import again, page, see
from marketplace.datasets.geography.address_queries import has_addresses
from marketplace.datasets.geography.layer_queries import name_zones, over
from marketplace.datasets.geography.layer_wording import write_where
from marketplace.datasets.geography.queries import drawn_outlines, get_geography
from marketplace.datasets.releases.queries import key_zones, list_revocations
from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.privacy.geography import centres

if TYPE_CHECKING:
    from collections.abc import Mapping

Chosen = Annotated[uuid.UUID | None, QueryParameter(name="release")]
Earlier = Annotated[uuid.UUID | None, QueryParameter(name="kept")]


class DeletionForm(Struct):
    """A button, and the dataset of its page."""

    form_id: uuid.UUID
    dataset: str = ""


@get("/datasets/{code:str}/preview", opt=expect("anyone", stranger=200))
async def form(request: ActorRequest, code: FromPath[str], release: Chosen = None, kept: Earlier = None) -> Template:
    """Ask for zones; a partner may begin with its company's saved ones."""
    zones = ""
    if kept and request.user and request.user.partner:
        zones = (await queries.get_kept(request.user.partner, kept)).zones
    return page("chosen_zones/preview.html", error="", **await _shown(request, code, release, zones))


@post("/datasets/{code:str}/preview", opt=expect("anyone", stranger=200), status_code=200)
async def preview(request: ActorRequest, code: FromPath[str]) -> Template:
    """Show which zones the dataset has and, to a vetted partner, the share of their figures in the release."""
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
        chosen = await queries.read_choice(zones, dataset, shown["all_zones"])
        shown |= {"chosen": chosen, "selected": set(chosen.zones)}
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
    return page("chosen_zones/preview.html", error="", **shown)


@post("/zones/kept", guards=[partner], opt=expect("partner"))
async def keep(request: ActorRequest) -> Redirect | Template:
    """Save zones for the company, and show them; if they are refused, show the page again with the reason."""
    fields = await _fields(request)
    kept, zones = _form(fields), str(fields.get("zones", ""))
    name = str(fields.get("name", ""))
    listing = await catalogue.get_listing(str(fields.get("dataset", "")))
    try:
        await actions.keep(request.user, kept, name=name, zones=zones)
    except (Invalid, Conflict) as refusal:
        shown = await _shown(request, listing.code, None, zones[: rules.LARGEST_FILE_BYTES])
        with suppress(Refusal):
            chosen = await queries.read_choice(zones, listing.code, shown["all_zones"])
            shown |= {"chosen": chosen, "selected": set(chosen.zones)}
        return again("chosen_zones/preview.html", refusal, name=_shown_again(name), **shown)
    return see(f"/datasets/{listing.code}/preview?kept={kept}")


@post("/zones/kept/{kept:uuid}/deletion", guards=[partner], opt=expect("partner", stranger=404))
async def delete(
    request: ActorRequest,
    kept: FromPath[uuid.UUID],
    data: Annotated[DeletionForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> Redirect:
    """Delete the company's saved zones."""
    assert request.user.partner
    await actions.delete(request.user.partner, kept)
    return see(f"/datasets/{data.dataset}/preview" if data.dataset else "/catalogue")


def _shown_again(text: str) -> str:
    """Return a text as a page may show it: cut to length, without characters that a page cannot have."""
    return "".join(sign for sign in text if sign.isprintable())[: actions.LONGEST_NAME]


def _at_field(refusal: Refusal, field: str) -> Refusal:
    """Return a refusal of zones at their field, also one without a field, such as invalid JSON."""
    is_its = isinstance(refusal, Invalid) and refusal.fields.get("field", "zones") == "zones"
    return Invalid(refusal.sentence, **{**refusal.fields, "field": field}) if is_its else refusal


async def _shown(request: ActorRequest, code: str, release: uuid.UUID | None, zones: str) -> dict[str, Any]:
    """Return the content of the page before any question."""
    listing = await catalogue.get_listing(code)
    shown = await catalogue.get_listed_release(code, release or listing.latest)
    if await list_revocations([shown.id]):
        raise Conflict("This release was called back and is no longer for sale.")
    zones_of_it, geography = await key_zones(code), await get_geography(listing.zone_table)
    some = zones_of_it[:MOST_TITLED_HEXES]
    outlines = await drawn_outlines(geography, some)
    buyer = request.user.partner if request.user else None
    places = centres({zone: geography.shape(zone) for zone in some})
    return {
        "listing": listing,
        "release": shown,
        "all_zones": zones_of_it,
        "outlines": outlines,
        "over": await over(outlines.frame),
        "names": await name_zones(listing.zone_table, geography, places, write_where) or {},
        "zones": zones,
        "selected": set(),
        "chosen": None,
        "survives": None,
        "kept": await queries.list_kept(buyer) if buyer else [],
        "known_names": await queries.list_names(),
        "has_addresses": await has_addresses(),
        "may_upload": _is_vetted(request),
    }


async def _fields(request: ActorRequest) -> Mapping[str, Any]:
    try:
        fields: Mapping[str, Any] = await request.form()
    except (ClientException, ValueError):
        raise Invalid("The file could not be read; send it again.") from None
    return fields


async def _with_file(request: ActorRequest, file: object, zones: str) -> str:
    """Return the zones of an uploaded file, or the written ones if there is no file."""
    if not isinstance(file, UploadFile) or not file.filename:
        return zones
    try:
        if not _is_vetted(request):
            raise NotAllowed("Files are for vetted partners; write the zones instead.")
        return await asyncio.to_thread(rules.read_file, await file.read(rules.LARGEST_FILE_BYTES + 1))
    finally:
        await file.close()


def _is_vetted(request: ActorRequest) -> bool:
    return bool(request.user and request.user.partner and request.user.vetted)


def _id(text: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text)) if text else None
    except ValueError:
        return None


def _form(fields: Mapping[str, Any]) -> uuid.UUID:
    """Return the form's id, which identifies a repeated question."""
    return existing(_id(fields.get("form_id")), Invalid("This form is incomplete; reload the page and try again."))


ROUTES = [form, preview, keep, delete]
