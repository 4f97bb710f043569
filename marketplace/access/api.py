"""The API of access: whose key this is."""

from __future__ import annotations

import uuid
from typing import Any

from litestar import Request, get
from msgspec import Struct

from marketplace.identity.actors import Actor  # noqa: TC001 (Litestar reads a handler's annotations)
from marketplace.identity.guards import expect, partner
from marketplace.settings import settings


class Me(Struct):
    """The partner behind a key."""

    partner: uuid.UUID
    company: str
    vetted: bool
    """Whether it may buy."""
    sandbox: bool
    """Whether all this is made-up data and test money."""


@get("/api/v1/me", guards=[partner], opt=expect("partner", scope=""), tags=["identity"])
async def me(request: Request[Actor, Any, Any]) -> Me:
    """Say whose key this is."""
    assert request.user.partner
    return Me(request.user.partner, request.user.name, request.user.vetted, bool(settings().sandbox_of))


ROUTES = [me]
