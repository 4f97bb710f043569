"""The inbox: the messages to the signed-in person, to their partner, to their line or to their role."""

from __future__ import annotations

from litestar import get
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.core.errors import NotFound
from marketplace.core.web.i18n import language
from marketplace.core.web.pages import PageNumber, page
from marketplace.people.identity.actors import Actor  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.people.identity.guards import VisitorRequest, expect, signed_in
from marketplace.people.identity.queries import find_former_end
from marketplace.people.messages.actions import mark_read
from marketplace.people.messages.queries import list_messages
from marketplace.people.messages.rules import Recipient


def recipients_of(actor: Actor) -> list[Recipient]:
    """Return every recipient whose messages this person reads."""
    capacities: list[tuple[str, object]] = [
        ("person", actor.person),
        ("partner", actor.partner),
        ("line", actor.subscriber),
        ("role", actor.role),
    ]
    return [Recipient(audience, str(id_)) for audience, id_ in capacities if id_ is not None]  # type: ignore[arg-type]


@get("/inbox", guards=[signed_in], opt=expect("signed in"))
async def inbox(request: VisitorRequest, page_number: PageNumber = 1) -> Template:
    """Show the messages, the latest first; those shown count as read from then on."""
    actor = request.user
    assert actor
    if actor.person is None:
        raise NotFound("There is nothing here.")
    since = await find_former_end(actor.subscriber)
    messages = await list_messages(recipients_of(actor), actor.person, language.get(), page_number, since)
    await mark_read([message.id for message in messages.rows if not message.is_read], actor.person)
    return page("sign_in/inbox.html", messages=messages)


ROUTES = [inbox]
