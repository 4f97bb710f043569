"""The page that the operator's app shows in its look: whether location use is on, all the time, and each choice as a click."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.queries import list_choices
from marketplace.errors import NotFound
from marketplace.identity.guards import expect
from marketplace.my_data import actions
from marketplace.my_data.operator_app import get_app, line_of_page
from marketplace.my_data.queries import list_uses
from marketplace.switches.queries import find_pause
from marketplace.switches.rules import PRESETS, Scope, read, write
from marketplace.web.pages import page, see

CHANNEL = "app"


class AppForm(Struct):
    """One click: a preset of a purpose, nothing of it, or everything paused or going on."""

    word: str
    form_id: uuid.UUID
    purpose: str = ""


@get("/app/{token:str}", opt=expect("anyone", stranger=200))
async def app_page(token: FromPath[str]) -> Template:
    """Show a line's choices to who comes from the operator's app."""
    app, line = get_app(), line_of_page(token)
    purposes: list[Any] = []
    for choice in await list_choices(line):
        scope = (
            read(choice.covers)
            if choice.given and choice.covers
            else PRESETS["everything"][1]
            if choice.given
            else Scope()
        )
        chosen = next((code for code, (_, preset) in PRESETS.items() if write(preset) == write(scope)), "")
        purposes.append((choice, chosen))
    answer = page(
        "my_data/app.html",
        app=app,
        token=token,
        purposes=purposes,
        presets=[(code, words) for code, (words, _) in PRESETS.items()],
        is_on=any(choice.given for choice, _ in purposes),
        pause=await find_pause(line),
        uses=(await list_uses(line)).rows[:3],
    )
    framed_by = app.shown_by or "'none'"
    answer.headers |= {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action 'self'; frame-ancestors {framed_by}",
    }
    return answer


@post("/app/{token:str}", opt=expect("anyone", stranger=200), status_code=303)
async def app_choice(
    token: FromPath[str], data: Annotated[AppForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Record one click, with the app as its channel, and send the person a message."""
    line = line_of_page(token)
    if data.word in {"pause", "resume"}:
        await actions.pause_elsewhere(line, data.form_id, goes_on=data.word == "resume")
    else:
        choice = next((one for one in await list_choices(line) if one.code == data.purpose), None)
        if choice is None:
            raise NotFound("There is no purpose {purpose}.", purpose=data.purpose)
        scope = PRESETS[data.word][1] if data.word in PRESETS else Scope()
        await actions.choose_elsewhere(
            line, choice.code, scope, receipt=data.form_id, channel=CHANNEL, version=choice.version
        )
    return see(f"/app/{token}")


@get("/app.css", opt=expect("anyone"), sync_to_thread=False)
def app_style() -> Response[str]:
    """Hand out the operator's colour."""
    return Response(f":root{{--operator:{get_app().colour}}}\n", media_type="text/css")


ROUTES = [app_page, app_choice, app_style]
