"""Delta Sharing for people: a company's credentials, each with its profile shown once."""

from __future__ import annotations

import json
import uuid  # noqa: TC003 (Litestar reads a handler's annotations)
from typing import TYPE_CHECKING, Annotated, Any

from litestar import get, post
from litestar.params import Body, FromPath
from litestar.response import Redirect, Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core import clock
from marketplace.core.errors import Refusal
from marketplace.core.settings import settings
from marketplace.core.web.buttons import ButtonForm, Pressed
from marketplace.core.web.i18n import gettext as _
from marketplace.core.web.pages import again, page, secret_page, see
from marketplace.delivery.delta_sharing import actions, rules
from marketplace.delivery.delta_sharing.history import histories
from marketplace.delivery.delta_sharing.queries import list_credentials, list_shared
from marketplace.people.identity.guards import VisitorRequest, expect, partner, recently_proved, session_of
from marketplace.people.identity.pages import FORM

if TYPE_CHECKING:
    from marketplace.people.identity.actors import Actor


class NewCredential(ButtonForm):
    """A credential's kind, its label, and for how many days it works."""

    kind: str
    label: str
    days: int
    public_key: str = ""


async def _context(who: Actor | None) -> dict[str, Any]:
    assert who
    assert who.partner
    now = clock.now()
    return {
        "credentials": await list_credentials(who.partner),
        "tables": histories(await list_shared(who.partner, now), now),
        "now": now,
        "share": f"{rules.SHARE}.{rules.SCHEMA}",
        "site": settings().url,
        "days": [(str(days), days) for days in rules.DAYS],
        "kinds": [
            ("bearer", _("a secret in the profile")),
            ("basic", _("a name and a password")),
            ("key_pair", _("a key pair of yours: we keep the public key alone")),
        ],
    }


@get("/sharing", guards=[partner], opt=expect("partner"))
async def sharing_page(request: VisitorRequest) -> Template:
    """Show a partner its tables and credentials."""
    return page("delta_sharing/sharing.html", profile="", error="", **await _context(request.user))


@post("/sharing", guards=[partner, recently_proved], opt=expect("partner"), status_code=200)
async def make_credential(request: VisitorRequest, data: Annotated[NewCredential, Body(media_type=FORM)]) -> Template:
    """Make a credential and show its profile, once."""
    assert request.user
    try:
        profile = await actions.make_credential(
            request.user,
            credential_id=data.form_id,
            session=session_of(request),
            kind=data.kind,
            label=data.label,
            days=data.days,
            public_key=data.public_key,
        )
    except Refusal as refusal:
        return again("delta_sharing/sharing.html", refusal, profile="", **await _context(request.user))
    text = json.dumps(profile, indent=2)
    return secret_page("delta_sharing/sharing.html", profile=text, error="", **await _context(request.user))


@post("/sharing/{credential:uuid}/revoke", guards=[partner], opt=expect("partner", stranger=404))
async def revoke_credential(request: VisitorRequest, credential: FromPath[uuid.UUID], data: Pressed) -> Redirect:
    """End a credential at once."""
    del data
    assert request.user
    await actions.revoke_credential(request.user, credential)
    return see("/sharing")


ROUTES = [sharing_page, make_credential, revoke_credential]
