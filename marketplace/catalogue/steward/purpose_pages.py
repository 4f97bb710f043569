"""The steward's pages of purposes, to which subscribers say yes or no, and of their notices."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.enums import RequestEncodingType
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)
from msgspec import Struct

from marketplace.catalogue.steward import actions
from marketplace.consent.purposes import queries
from marketplace.consent.vocabulary import PURPOSES
from marketplace.core import clock
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.local_time import local_day, midnight
from marketplace.core.web.formats import PARIS
from marketplace.core.web.pages import again, page, see
from marketplace.people.identity.guards import ActorRequest, expect, staff

if TYPE_CHECKING:
    from collections.abc import Sequence

reader, steward = staff("steward", "auditor"), staff("steward")
FIRST_DAY = dt.date(1970, 1, 1)
LONGEST_NOTICE = 5000


class PurposeForm(Struct):
    """A purpose as a steward writes it."""

    form_id: uuid.UUID
    category: str
    use: str
    title_fr: str
    title_en: str


class NameForm(Struct):
    """A purpose's name in the Data Privacy Vocabulary."""

    form_id: uuid.UUID
    dpv: str


class NoticeForm(Struct):
    """A notice as a steward writes it; `step` is look (preview) or publish."""

    form_id: uuid.UUID
    text_fr: str
    text_en: str
    change: str = ""
    """wording (consents stay) or anew (everybody is asked again); a first notice ignores it."""
    since: str = ""
    """The day, in Paris, since which people agree to a first notice elsewhere; empty: from now on."""
    step: str = "look"
    seen: str = ""
    """The number of the latest version on the page; 0 without one."""


@get("/steward/purposes", guards=[reader], opt=expect("steward", "auditor"))
async def list_purposes() -> Template:
    """Show every purpose, and let a steward define another one."""
    return page("steward/purposes.html", purposes=await queries.list_purposes(), form={}, error="")


@post("/steward/purposes", guards=[steward], opt=expect("steward"))
async def define(
    data: Annotated[PurposeForm, Body(media_type=RequestEncodingType.URL_ENCODED)], request: ActorRequest
) -> Redirect | Template:
    """Define a purpose; the same one again changes nothing."""
    try:
        code = await actions.define_purpose(
            request.user, data.category.strip(), data.use.strip(), title_fr=data.title_fr, title_en=data.title_en
        )
    except Refusal as refusal:
        form = {name: getattr(data, name) for name in data.__struct_fields__}
        return again("steward/purposes.html", refusal, purposes=await queries.list_purposes(), form=form)
    return see(f"/steward/purposes/{code}")


@get("/steward/purposes/{code:str}", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_purpose(code: FromPath[str]) -> Template:
    """Show every version of a purpose's notice, and let a steward write the next one."""
    return page("steward/purpose.html", form={}, error="", looked=None, **await _shown(code))


@post("/steward/purposes/{code:str}/name", guards=[steward], opt=expect("steward", stranger=200))
async def name(
    code: FromPath[str],
    data: Annotated[NameForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Store a purpose's name in the Data Privacy Vocabulary."""
    shown = await _shown(code)
    try:
        await actions.name_purpose(request.user, code, data.dpv)
    except Refusal as refusal:
        return again("steward/purpose.html", refusal, form={}, looked=None, **shown)
    return see(f"/steward/purposes/{code}")


@post("/steward/purposes/{code:str}/notices", guards=[steward], opt=expect("steward", stranger=200))
async def publish(
    code: FromPath[str],
    data: Annotated[NoticeForm, Body(media_type=RequestEncodingType.URL_ENCODED)],
    request: ActorRequest,
) -> Redirect | Template:
    """Preview the effect of publishing a notice, or publish it."""
    shown = await _shown(code)
    form = {name: getattr(data, name) for name in data.__struct_fields__}
    text_fr, text_en = (_lines(text) for text in (data.text_fr, data.text_en))
    try:
        for field, text in (("text_fr", text_fr), ("text_en", text_en)):
            _check_text(text, field)
        if shown["notices"] and data.change not in {"wording", "anew"}:
            raise Invalid("Say whether what people agree to has changed.", field="change")
        since = _since(data.since, shown["notices"])
        if data.step == "publish":
            asks_anew = bool(shown["notices"]) and data.change == "anew"
            await actions.publish_notice(
                request.user,
                code,
                text_fr=text_fr,
                text_en=text_en,
                asks_anew=asks_anew,
                notice=data.form_id,
                since=since,
                seen=int(data.seen) if data.seen.isascii() and data.seen.isdecimal() else None,
            )
            return see(f"/steward/purposes/{code}")
    except Refusal as refusal:
        return again("steward/purpose.html", refusal, form=form, looked=None, **await _shown(code))
    looked = {"text_fr": text_fr, "text_en": text_en, "change": data.change, "since": since}
    return page("steward/purpose.html", form=form, error="", looked=looked, **shown)


def _check_text(text: str, field: str) -> None:
    """Refuse a notice's text that is empty, too long or cannot be stored; names its field."""
    if not text:
        raise Invalid("A notice needs its text in French and in English.", field=field)
    if len(text) > LONGEST_NOTICE:
        raise Invalid("A notice has at most {most} characters in each language.", most=LONGEST_NOTICE, field=field)
    if "\0" in text:
        raise Invalid("This text has a character that cannot be kept.", field=field)


def _since(text: str, notices: Sequence[object]) -> dt.datetime | None:
    """Return the start of the day since which people agree to a first notice elsewhere; None if not stated."""
    if not text.strip():
        return None
    if notices:
        raise Invalid("Only the first notice can be of an earlier day.", field="since")
    try:
        day = dt.date.fromisoformat(text.strip())
    except ValueError:
        raise Invalid("A day is written as 2026-03-28.", field="since") from None
    if day < FIRST_DAY:
        raise Invalid("Events before 1970 are not counted: write the day since which people agree.", field="since")
    if day > local_day(clock.now(), PARIS.key):
        raise Invalid("People cannot have agreed to it on a day to come.", field="since")
    return midnight(day, PARIS.key)


def _lines(text: str) -> str:
    """Return a text as it is stored: browsers send lines with carriage returns."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


async def _shown(code: str) -> dict[str, Any]:
    return {"purpose": await queries.get_purpose(code), "notices": await queries.list_notices(code), "names": PURPOSES}


ROUTES = [list_purposes, define, show_purpose, name, publish]
