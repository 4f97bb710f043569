"""The facts that concern a partner, for its programs: a list that is followed by a cursor, and an Atom feed."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Annotated, Any
from xml.sax.saxutils import escape

from litestar import Request, Response, get
from litestar.params import QueryParameter
from msgspec import Struct

from marketplace import clock
from marketplace.identity.actors import Actor
from marketplace.identity.guards import expect, partner
from marketplace.notifications import queries
from marketplace.settings import settings

Asked = Request[Actor, Any, Any]
After = Annotated[int, QueryParameter(ge=0, le=2**53 - 1)]
Limit = Annotated[int, QueryParameter(ge=1, le=500)]
ATOM = "http://www.w3.org/2005/Atom"
FEED = "application/atom+xml"
NOT_XML = re.compile("[\ufffe\uffff]")
"""What JSON holds and XML does not; JSON escapes control characters by itself."""


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
    """Ask for those after this one next; the same as was asked where there are none."""


@get("/api/v1/events", guards=[partner], opt=expect("partner", scope=""), tags=["events"])
async def list_events(request: Asked, after: After = 0, limit: Limit = 100) -> Events:
    """List what concerns the partner after a cursor, the earliest first: ask again with the answer's `after`."""
    assert request.user.partner
    rows = await queries.list_events(request.user.partner, after, limit)
    events = [Event(row.id, row.type, row.at, json.loads(row.data)) for row in rows]
    return Events(events, rows[-1].id if rows else after)


@get(
    "/api/v1/events.atom",
    guards=[partner],
    opt=expect("partner", scope=""),
    tags=["events"],
    media_type=FEED,
)
async def show_feed(request: Asked) -> Response[bytes]:
    """Show the last of what concerns the partner as an Atom feed (RFC 4287)."""
    assert request.user.partner
    rows = await queries.list_latest(request.user.partner)
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
