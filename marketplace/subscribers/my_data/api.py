"""The same for the operator's own app and its people: switches, pauses, deletion, uses and kinds of lines, by its key.

Each change is a PUT under an id that the caller chooses; sending it again changes nothing. A receipt for a change by
the operator has its channel, and the person gets a message.
"""

from __future__ import annotations

import datetime as dt
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from litestar import get, put
from litestar.params import FromPath, HeaderParameter, JSONBody
from msgspec import Meta, Struct

from marketplace.consent.purposes.queries import get_kind, get_token, list_choices
from marketplace.consent.switches.queries import find_pause
from marketplace.consent.switches.rules import PRESETS, SECTORS, SOURCES, Scope, read
from marketplace.core.errors import Conflict, Invalid, NotAllowed
from marketplace.core.settings import settings
from marketplace.people.identity.guards import expect
from marketplace.subscribers.my_data import actions
from marketplace.subscribers.my_data.operator_app import check_person, get_app, page_of
from marketplace.subscribers.my_data.queries import list_uses
from marketplace.subscribers.operators.api import Reference
from marketplace.subscribers.operators.guards import operator

if TYPE_CHECKING:
    from collections.abc import Iterator

Channel = Literal["app", "site", "shop", "call_centre", "letter"]
THEMSELVES: Final = frozenset({"app", "site"})
"""Channels in which no employee of the operator speaks for the person."""
PersonsToken = Annotated[str | None, HeaderParameter(name="x-partage-person", max_length=8192)]
"""A token of the operator's own identity provider that says whose line it is."""


class ChosenElsewhere(Struct, forbid_unknown_fields=True):
    """A consent, as stated in the operator's app, on its site or to its staff."""

    reference: Reference
    purpose: Annotated[str, Meta(min_length=1, max_length=100, pattern="^[!-~]+$")]
    notice_version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    channel: Channel
    scope: Scope
    """Switches that it does not name are off."""


class PausedElsewhere(Struct, forbid_unknown_fields=True):
    """Pauses everything, or resumes it."""

    reference: Reference
    word: Literal["pause", "resume"]
    channel: Channel | None = None
    """The channel of the request; None: the app if a token comes with it, otherwise the call centre."""


class DaysElsewhere(Struct, forbid_unknown_fields=True):
    """Days to delete, the first and the last included."""

    reference: Reference
    first_day: dt.date
    last_day: dt.date


class KindStated(Struct, forbid_unknown_fields=True):
    """That a line is a child's, a business's or shared; null: one person's."""

    reference: Reference
    kind: Literal["child", "business", "shared"] | None


@contextmanager
def _as_conflict() -> Iterator[None]:
    """Raise Conflict for values that the document's types allow and our registries do not know."""
    try:
        yield
    except Invalid as refusal:
        raise Conflict(refusal.sentence, **refusal.fields) from refusal


async def _check(person: str | None, reference: int, *, needed: bool = False) -> None:
    """Answer a wrong token of a person with NotAllowed."""
    try:
        await check_person(person, reference, needed=needed)
    except Invalid as refusal:
        raise NotAllowed(refusal.sentence, **refusal.fields) from refusal


@get("/api/v1/operator/switches", guards=[operator("consents")], opt=expect("the operator"), tags=["operator"])
async def show_switches() -> dict[str, Any]:
    """List the sources, sectors and presets there are, in both languages, for a form in the operator's look."""
    return {
        "sources": {code: {"fr": words.fr, "en": words.en} for code, words in SOURCES.items()},
        "sectors": {code: {"fr": words.fr, "en": words.en} for code, words in SECTORS.items()},
        "presets": {code: {"fr": words.fr, "en": words.en, "scope": scope} for code, (words, scope) in PRESETS.items()},
    }


@put(
    "/api/v1/operator/choices/{request_id:uuid}",
    guards=[operator("consents")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def record_choices(
    request_id: FromPath[uuid.UUID], data: JSONBody[ChosenElsewhere], person: PersonsToken = None
) -> dict[str, Any]:
    """Record what somebody lets be counted; the answer has the receipt in the fields of ISO/IEC TS 27560, signed.

    From the app or the site it needs the person's token, where PARTAGE_OPERATOR_APP says whose.
    """
    await _check(person, data.reference, needed=data.channel in THEMSELVES)
    with _as_conflict():
        receipt = await actions.choose_elsewhere(
            data.reference,
            data.purpose,
            data.scope,
            receipt=request_id,
            channel=data.channel,
            version=data.notice_version,
        )
    return {"receipt": receipt, "jwt": await get_token(receipt)}


@put(
    "/api/v1/operator/pauses/{request_id:uuid}",
    guards=[operator("consents")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def record_pause(
    request_id: FromPath[uuid.UUID], data: JSONBody[PausedElsewhere], person: PersonsToken = None
) -> dict[str, Any]:
    """Pause everything of a line, or go on; the answer says from or to how many purposes.

    Resuming from the app or the site needs the person's token, as choosing there does: it gives consent again.
    """
    channel, goes_on = data.channel or ("app" if person else "call_centre"), data.word == "resume"
    await _check(person, data.reference, needed=goes_on and channel in THEMSELVES)
    purposes = await actions.pause_elsewhere(data.reference, request_id, goes_on=goes_on, channel=channel)
    return {"purposes": purposes, "is_paused": await find_pause(data.reference) is not None}


@put(
    "/api/v1/operator/deletions/{request_id:uuid}",
    guards=[operator("consents")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def record_deletion(
    request_id: FromPath[uuid.UUID], data: JSONBody[DaysElsewhere], person: PersonsToken = None
) -> dict[str, Any]:
    """Delete days of a line, before the next build; the answer names the past releases that hold some of them."""
    await _check(person, data.reference)
    with _as_conflict():
        holding = await actions.delete_elsewhere(data.reference, data.first_day, data.last_day, request_id)
    return {"past_releases": holding}


@put(
    "/api/v1/operator/kinds/{request_id:uuid}",
    guards=[operator("consents")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def record_kind(request_id: FromPath[uuid.UUID], data: JSONBody[KindStated]) -> dict[str, Any]:
    """State that a line is a child's, a business's or shared by several people."""
    await actions.state_kind_elsewhere(data.reference, data.kind, request_id)
    return {"request": request_id, "reference": data.reference, "kind": await get_kind(data.reference)}


@get(
    "/api/v1/operator/uses/{reference:int}",
    guards=[operator("lines")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def show_uses(reference: FromPath[int], person: PersonsToken = None) -> dict[str, Any]:
    """Show what is counted of a line, whether location use is on, and who used it, the latest hundred sales at most."""
    await _check(person, reference)
    choices = await list_choices(reference)
    return {
        "location_use_is_on": any(choice.given for choice in choices),
        "is_paused": await find_pause(reference) is not None,
        "choices": {one.code: {"given": one.given, "scope": one.covers and read(one.covers)} for one in choices},
        "uses": (await list_uses(reference)).rows,
    }


@get(
    "/api/v1/operator/pages/{reference:int}",
    guards=[operator("consents")],
    opt=expect("the operator", stranger=200),
    tags=["operator"],
)
async def show_page(reference: FromPath[int], person: PersonsToken = None) -> dict[str, Any]:
    """Give the address of a page for this line in the app's look, which opens for a quarter of an hour."""
    get_app()
    await _check(person, reference, needed=True)
    path, ends_at = page_of(reference)
    return {"url": settings().url.rstrip("/") + path, "ends_at": ends_at}


ROUTES = [show_switches, record_choices, record_pause, record_deletion, record_kind, show_uses, show_page]
