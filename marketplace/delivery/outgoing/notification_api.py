"""A partner's events for its programs: a list with a cursor, and an Atom feed."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Annotated, Any
from xml.sax.saxutils import escape

from litestar import Response, get
from litestar.params import QueryParameter
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.settings import settings
from marketplace.delivery.outgoing import notification_queries
from marketplace.people.identity.guards import ActorRequest, expect, partner

After = Annotated[int, QueryParameter(ge=0, le=2**53 - 1)]
Limit = Annotated[int, QueryParameter(ge=1, le=500)]
ATOM = "http://www.w3.org/2005/Atom"
FEED = "application/atom+xml"
NOT_XML = re.compile("[\ufffe\uffff]")
"""Characters that JSON may have and XML may not; JSON escapes control characters by itself."""


class Event(Struct):
    """A fact that concerns the partner, as webhooks state it."""

    id: int
    type: str
    timestamp: dt.datetime
    data: dict[str, Any]


class Events(Struct):
    """Events after a cursor, the earliest first."""

    events: list[Event]
    after: int
    """Request those after this one next; unchanged if there are no events."""


@get("/api/v1/events", guards=[partner], opt=expect("partner", scope=""), tags=["events"])
async def list_events(request: ActorRequest, after: After = 0, limit: Limit = 100) -> Events:
    """List what concerns the partner after a cursor, the earliest first: ask again with the answer's `after`."""
    assert request.user.partner
    rows = await notification_queries.list_events(request.user.partner, after, limit)
    events = [Event(row.id, row.type, row.at, json.loads(row.data)) for row in rows]
    return Events(events, rows[-1].id if rows else after)


@get(
    "/api/v1/events.atom",
    guards=[partner],
    opt=expect("partner", scope=""),
    tags=["events"],
    media_type=FEED,
)
async def show_feed(request: ActorRequest) -> Response[bytes]:
    """Show the last of what concerns the partner as an Atom feed (RFC 4287)."""
    assert request.user.partner
    rows = await notification_queries.list_latest(request.user.partner)
    site = settings().url
    updated = rows[0].at if rows else clock.now()
    entries = "".join(
        f"<entry><id>{site}/events/{row.id}</id><title>{escape(row.type)}</title><updated>{row.at.isoformat()}</updated>"
        f'<category term="{escape(row.type)}"/><content type="text">{escape(NOT_XML.sub("", row.data))}</content></entry>'
        for row in rows
    )
    feed = (
        f'<?xml version="1.0" encoding="utf-8"?><feed xmlns="{ATOM}"><id>{site}/events</id><title>Partage</title>'
        f"<author><name>Partage</name></author><updated>{updated.isoformat()}</updated>{entries}</feed>"
    )
    return Response(feed.encode(), media_type=FEED)


ROUTES = [list_events, show_feed]
