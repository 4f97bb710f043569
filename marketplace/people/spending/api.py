"""The API of spending limits: what this key may spend."""

from __future__ import annotations

import datetime as dt

from litestar import get
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.errors import NotFound, existing
from marketplace.people.identity.guards import ActorRequest, expect, partner
from marketplace.people.spending.queries import find_own


class OwnSpendingLimit(Struct):
    """What this key may spend, in cents before VAT; an administrator of your company writes it on the page of limits."""

    order_minor: int
    """The most that one order or bid may be."""
    month_minor: int
    """The most that a month of Paris may be."""
    approval_minor: int | None
    """The most within a day without an approval; None: no order needs one."""
    left_minor: int
    """What is left of this month: open bids count as spent until their auction is over."""
    datasets: list[str]
    """The only datasets that it may buy; empty: any."""
    purposes: list[str]
    """The only purposes whose datasets it may buy; empty: any."""
    ends_at: dt.datetime
    """From then on it may order nothing."""


@get("/api/v1/spending-limit", guards=[partner], opt=expect("partner", scope=""), tags=["identity"])
async def own_limit(request: ActorRequest) -> OwnSpendingLimit:
    """Say what this key may spend; a key without a limit reads and asks for prices, and orders nothing."""
    found = existing(
        await find_own(request.user.key, clock.now()),
        NotFound("This key has no spending limit: an administrator of your company sets one."),
    )
    return OwnSpendingLimit(**{name: getattr(found, name) for name in OwnSpendingLimit.__struct_fields__})


ROUTES = [own_limit]
