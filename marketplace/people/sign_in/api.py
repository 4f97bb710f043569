"""The API of access: whose key this is."""

from __future__ import annotations

import uuid

from litestar import get
from msgspec import Struct

from marketplace.core.settings import settings
from marketplace.people.identity.guards import ActorRequest, expect, partner


class Me(Struct):
    """The partner behind a key."""

    partner: uuid.UUID
    company: str
    vetted: bool
    """Whether it may buy."""
    sandbox: bool
    """Whether all this is made-up data and test money."""


@get("/api/v1/me", guards=[partner], opt=expect("partner", scope=""), tags=["identity"])
async def me(request: ActorRequest) -> Me:
    """Say whose key this is."""
    assert request.user.partner
    return Me(request.user.partner, request.user.name, request.user.vetted, bool(settings().sandbox_of))


ROUTES = [me]
