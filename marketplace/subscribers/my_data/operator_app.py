"""The operator's own app: whose tokens identify a person, and the address of a page that the app shows in its look.

Source: OpenID Connect Core 1.0. A token names us in `aud`, and one of its claims is the line's reference.
"""

from __future__ import annotations

import datetime as dt
import functools
import hmac
import re
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from marketplace.core import clock
from marketplace.core.errors import Conflict, Invalid, NotAllowed, NotFound, existing
from marketplace.core.settings import settings
from marketplace.people.messages.links import link_token
from marketplace.people.sign_in.provider_protocol import read_token
from marketplace.people.sign_in.provider_rules import Provider, is_safe

PAGE_LASTS: Final = dt.timedelta(minutes=15)
USE: Final = "operator app"
PAGE: Final = re.compile(r"([0-9]{1,19})\.([0-9]{1,12})\.([\w-]{43})", re.ASCII)


class App(Struct, frozen=True, forbid_unknown_fields=True):
    """The operator's app as set."""

    name: Annotated[str, Meta(min_length=1, max_length=40)]
    issuer: str
    client_id: Annotated[str, Meta(min_length=1)]
    """The audience that its tokens for us name."""
    line_claim: Annotated[str, Meta(min_length=1)] = "partage_line"
    """The claim with the line's reference."""
    colour: Annotated[str, Meta(pattern="^#[0-9a-fA-F]{6}$")] = "#5b4bd6"
    shown_by: Annotated[str, Meta(pattern="^(https://[a-z0-9.:-]+)?$")] = ""
    """The origin that may frame our pages, such as https://app.operator.example; empty if none may."""


@functools.cache
def read_app(text: str) -> App | None:
    """Return the app of the setting, or None if it is not set; raises Invalid."""
    try:
        app = msgspec.json.decode(text, type=App) if text else None
    except msgspec.DecodeError as problem:
        raise Invalid(
            "PARTAGE_OPERATOR_APP is not the JSON object it should be: {why}.", why=str(problem)[:200]
        ) from None
    if app is not None and not is_safe(app.issuer):
        raise Invalid("The issuer of PARTAGE_OPERATOR_APP must be an https address.")
    return app


def get_app() -> App:
    """Return the operator's app; raises Conflict if it is not set."""
    return existing(read_app(settings().operator_app), Conflict("PARTAGE_OPERATOR_APP names no app of the operator’s."))


async def check_person(token: str | None, reference: int, *, needed: bool) -> None:
    """Refuse a person's token that is not of the line, and a missing token where the person themselves must have asked.

    Without an app in the settings no token is required.
    """
    app = read_app(settings().operator_app)
    if app is None or (token is None and not needed):
        return
    if token is None:
        raise NotAllowed("What comes from the person needs the person’s token, in X-Partage-Person.")
    claims = await read_token(Provider("operator-app", app.name, app.issuer, app.client_id), token)
    if str(claims.get(app.line_claim, "")) != str(reference):
        raise NotAllowed("The person’s token is of another line.")


def page_of(reference: int) -> tuple[str, dt.datetime]:
    """Return the path of a line's page for the app, and until when it opens."""
    until = int((clock.now() + PAGE_LASTS).timestamp())
    subject = f"{reference}.{until}"
    return f"/app/{subject}.{link_token(USE, subject)}", dt.datetime.fromtimestamp(until, dt.UTC)


def line_of_page(token: str) -> int:
    """Return the line of the page; raises NotFound, also once the page has expired."""
    found = PAGE.fullmatch(token)
    if found is None or not hmac.compare_digest(link_token(USE, f"{found[1]}.{found[2]}"), found[3]):
        raise NotFound("This page’s time is over. Open it again from your app.")
    if int(found[2]) <= clock.now().timestamp():
        raise NotFound("This page’s time is over. Open it again from your app.")
    return int(found[1])
