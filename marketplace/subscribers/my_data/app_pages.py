"""The page that the operator's app shows in its look: whether location use is on, and each choice as a click."""

from __future__ import annotations

import uuid
from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.consent.purposes.queries import list_choices
from marketplace.consent.switches.queries import find_pause
from marketplace.consent.switches.rules import PRESETS, Scope, write
from marketplace.core.errors import Refusal
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import expect
from marketplace.subscribers.my_data import actions, switch_forms
from marketplace.subscribers.my_data.operator_app import get_app, line_of_page
from marketplace.subscribers.my_data.queries import list_uses
from marketplace.subscribers.my_data.rules import scope_of_form

CHANNEL = "app"


class AppForm(Struct):
    """One click: a preset of a purpose, nothing of it, or everything paused or resumed."""

    word: str
    form_id: uuid.UUID
    purpose: str = ""


async def _shown(template: str, token: str, line: int, refusal: Refusal | None = None, **about: Any) -> Template:  # noqa: ANN401 (what a template shows)
    """Return one of the app's pages, which always show whether location use is on."""
    app, choices = get_app(), await list_choices(line)
    framed_by = app.shown_by or "'none'"
    seen: dict[str, Any] = {
        "app": app,
        "token": token,
        "is_on": any(choice.given for choice in choices),
        "pause": await find_pause(line),
    }
    answer = again(template, refusal, **seen | about) if refusal else page(template, error="", **seen | about)
    answer.headers |= {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"form-action 'self'; frame-ancestors {framed_by}",
    }
    return answer


@get("/app/{token:str}", opt=expect("anyone", stranger=200))
async def app_page(token: FromPath[str]) -> Template:
    """Show a line's choices to a person who comes from the operator's app."""
    line = line_of_page(token)
    purposes: list[Any] = []
    for choice in await list_choices(line):
        scope = write(switch_forms.scope_of(choice))
        chosen = next((code for code, (_, preset) in PRESETS.items() if write(preset) == scope), "")
        purposes.append((choice, chosen))
    return await _shown(
        "my_data/app.html",
        token,
        line,
        purposes=purposes,
        presets=[(code, words) for code, (words, _) in PRESETS.items()],
        uses=(await list_uses(line)).rows[:3],
    )


@post("/app/{token:str}", opt=expect("anyone", stranger=200), status_code=303)
async def app_choice(
    token: FromPath[str], data: Annotated[AppForm, Body(media_type=RequestEncodingType.URL_ENCODED)]
) -> Redirect:
    """Record one click, with the app as its channel, and send the person a message."""
    line = line_of_page(token)
    if data.word in {"pause", "resume"}:
        await actions.pause_elsewhere(line, data.form_id, goes_on=data.word == "resume", channel=CHANNEL)
    else:
        choice = await switch_forms.get_choice(line, data.purpose)
        scope = PRESETS[data.word][1] if data.word in PRESETS else Scope()
        await actions.choose_elsewhere(
            line, choice.code, scope, receipt=data.form_id, channel=CHANNEL, version=choice.version
        )
    return see(f"/app/{token}")


@get("/app/{token:str}/{purpose:str}", opt=expect("anyone", stranger=200))
async def app_switches(token: FromPath[str], purpose: FromPath[str]) -> Template:
    """Show the switches of a purpose one by one."""
    line = line_of_page(token)
    choice = await switch_forms.get_choice(line, purpose)
    about = await switch_forms.about(line, choice, switch_forms.scope_of(choice))
    return await _shown("my_data/app_switches.html", token, line, **about)


@post("/app/{token:str}/{purpose:str}", opt=expect("anyone", stranger=200), status_code=200)
async def app_change(
    token: FromPath[str], purpose: FromPath[str], request: Request[Any, Any, Any]
) -> Redirect | Template:
    """Record the switches of the form, with the app as their channel, and send the person a message."""
    line, form = line_of_page(token), await request.form()
    choice = await switch_forms.get_choice(line, purpose)
    receipt = switch_forms.receipt_of(form)
    try:
        scope = scope_of_form(form)
        await actions.choose_elsewhere(line, purpose, scope, receipt=receipt, channel=CHANNEL, version=choice.version)
    except Refusal as refusal:
        about = await switch_forms.about(line, choice, switch_forms.scope_of(choice))
        return await _shown("my_data/app_switches.html", token, line, refusal, **about)
    return see(f"/app/{token}")


@get("/app.css", opt=expect("anyone"), sync_to_thread=False)
def app_style() -> Response[str]:
    """Hand out the operator's colour."""
    return Response(f":root{{--operator:{get_app().colour}}}\n", media_type="text/css")


ROUTES = [app_page, app_choice, app_switches, app_change, app_style]
