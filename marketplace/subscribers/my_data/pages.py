"""The subscriber's pages of their data: switches, pauses, deletion, who used it, and a map of their own."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath, QueryParameter
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.purposes.queries import get_kind, list_choices
from marketplace.consent.purposes.rules import KINDS
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.queries import find_pause
from marketplace.consent.switches.rules import PRESETS, SECTORS
from marketplace.core import clock
from marketplace.core.errors import Invalid, NotFound, Refusal
from marketplace.core.web import maps
from marketplace.core.web.buttons import Pressed  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.core.web.pages import PageNumber, again, page, see
from marketplace.datasets.releases.queries import list_unpublished
from marketplace.people.identity.guards import ActorRequest, expect, session_of, subscriber
from marketplace.privacy.geography import H3
from marketplace.subscribers.earnings.pages import line_of
from marketplace.subscribers.earnings.promises import held_since
from marketplace.subscribers.earnings.queries import list_first_without
from marketplace.subscribers.my_data import actions, app_pages, queries, switch_forms
from marketplace.subscribers.my_data.rules import scope_of_form

MapId = Annotated[uuid.UUID | None, QueryParameter(name="map")]
Preset = Annotated[str, QueryParameter(name="preset", max_length=40)]
Filled = Body(media_type=RequestEncodingType.URL_ENCODED)


class DaysForm(Struct):
    """The first and the last day to delete."""

    first: str
    last: str
    form_id: uuid.UUID


# Switches -------------------------------------------------------------------------------------------------------------


@get("/consent/choices/{purpose:str}", guards=[subscriber], opt=expect("subscriber", stranger=200))
async def choices(request: ActorRequest, purpose: FromPath[str], preset: Preset = "") -> Template:
    """Show the switches of a purpose: the present ones, or those of a preset."""
    line = line_of(request)
    choice = await switch_forms.get_choice(line, purpose)
    scope = PRESETS[preset][1] if preset in PRESETS else switch_forms.scope_of(choice)
    return page("my_data/choices.html", error="", **await switch_forms.about(line, choice, scope, preset))


@post("/consent/choices/{purpose:str}", guards=[subscriber], opt=expect("subscriber", stranger=200), status_code=200)
async def change_choices(request: ActorRequest, purpose: FromPath[str]) -> Redirect | Template:
    """Record the switches of the form, once a form: its id is the receipt's."""
    line, form = line_of(request), await request.form()
    choice = await switch_forms.get_choice(line, purpose)
    receipt = switch_forms.receipt_of(form)
    try:
        await switches.choose(line, purpose, scope_of_form(form), receipt=receipt)
    except Refusal as refusal:
        return again(
            "my_data/choices.html", refusal, **await switch_forms.about(line, choice, switch_forms.scope_of(choice))
        )
    return see("/consent")


# Pauses, deletion, uses -----------------------------------------------------------------------------------------------


async def _about(line: int, number: int = 1) -> dict[str, Any]:
    return {
        "purposes": await list_choices(line),
        "pause": await find_pause(line),
        "uses": await queries.list_uses(line, number),
        "trials": await queries.list_trials(line),
        "first_without": await list_first_without(line, clock.now()),
        "unpublished": await list_unpublished(line, await held_since(line)),
        "sectors": SECTORS,
        "kind": KINDS.get(await get_kind(line) or ""),
        "error": "",
        "deleted": None,
    }


@get("/my-data", guards=[subscriber], opt=expect("subscriber"))
async def my_data(request: ActorRequest, number: PageNumber = 1) -> Template:
    """Show whether a line is counted, who used it, and every way to stop."""
    return page("my_data/my_data.html", **await _about(line_of(request), number))


@post("/my-data/pause", guards=[subscriber], opt=expect("subscriber"), status_code=303)
async def pause(request: ActorRequest, data: Pressed) -> Redirect:
    """Withdraw from everything until the person resumes."""
    await switches.pause(line_of(request), data.form_id)
    return see("/my-data")


@post("/my-data/resume", guards=[subscriber], opt=expect("subscriber"), status_code=303)
async def resume(request: ActorRequest, data: Pressed) -> Redirect:
    """Give the consents again that the pause withdrew."""
    await switches.resume(line_of(request), data.form_id)
    return see("/my-data")


@post("/my-data/delete", guards=[subscriber], opt=expect("subscriber"), status_code=200)
async def delete_days(request: ActorRequest, data: Annotated[DaysForm, Filled]) -> Template:
    """Delete some days, and name the past releases that have them."""
    line = line_of(request)
    try:
        try:
            first, last = dt.date.fromisoformat(data.first), dt.date.fromisoformat(data.last)
        except ValueError:
            raise Invalid("Write a day as year, month and day.", field="first") from None
        holding = await actions.delete_days(line, first, last)
    except Refusal as refusal:
        about = await _about(line)
        del about["error"]
        return again("my_data/my_data.html", refusal, **about)
    return page("my_data/my_data.html", **await _about(line) | {"deleted": (first, last, holding)})


# A map of one's own ---------------------------------------------------------------------------------------------------


@post("/my-data/map", guards=[subscriber], opt=expect("subscriber"), status_code=303)
async def ask_map(request: ActorRequest, data: Pressed) -> Redirect:
    """Request a map, which a job makes."""
    assert request.user.person
    await actions.ask_map(data.form_id, request.user.person, line_of(request), session_of(request))
    return see(f"/my-data/map?map={data.form_id}")


@get("/my-data/map", guards=[subscriber], opt=expect("subscriber"))
async def own_map(request: ActorRequest, map_id: MapId = None) -> Template:
    """Show a map to the session that requested it, until it expires."""
    assert request.user.person
    if map_id is None:
        raise NotFound("There is no such map, or its ten minutes are over.")
    opened = await queries.open_map(map_id, request.user.person, actions.map_key(session_of(request), map_id))
    zones = [zone for zone in (opened.shown or {}).get("places", {}) if H3.level(zone) is not None]
    answer = page(
        "my_data/map.html",
        shown=opened.shown,
        ends_at=opened.ends_at,
        outlines=maps.outline({zone: H3.shape(zone) for zone in zones}) if zones else None,
    )
    answer.headers["cache-control"] = "no-store"
    return answer


ROUTES = [choices, change_choices, my_data, pause, resume, delete_days, ask_map, own_map, *app_pages.ROUTES]
