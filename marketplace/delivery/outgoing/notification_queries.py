"""Reads of notifications: a partner's events, its addresses and the posts to them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.statements import load_statements

SQL: Final = load_statements(__package__, "notification_queries.sql")
SHOWN: Final = 50


class EventRow(Struct, frozen=True):
    """An event; data is JSON."""

    id: int
    type: str
    at: dt.datetime
    data: str


class EndpointRow(Struct, frozen=True):
    """An address, with how many events were delivered to it, and how many wait."""

    id: uuid.UUID
    url: str
    created_at: dt.datetime
    disabled_at: dt.datetime | None
    disabled_because: str
    delivered: int
    waiting: int


class DeliveryRow(Struct, frozen=True):
    """One event to one address."""

    id: int
    url: str
    type: str
    at: dt.datetime
    attempts: int
    next_at: dt.datetime | None
    delivered_at: dt.datetime | None
    last_answer: str


async def list_events(partner: uuid.UUID, after: int, limit: int) -> list[EventRow]:
    """Return a partner's events after one, the earliest first."""
    return await fetch_rows(EventRow, SQL["list_events"], partner, after, limit)


async def list_latest(partner: uuid.UUID) -> list[EventRow]:
    """Return a partner's last events, the latest first."""
    return await fetch_rows(EventRow, SQL["list_latest"], partner, SHOWN)


async def list_endpoints(partner: uuid.UUID) -> list[EndpointRow]:
    """Return a partner's addresses, the latest first, also disabled ones."""
    return await fetch_rows(EndpointRow, SQL["list_endpoints"], partner, SHOWN)


async def list_deliveries(partner: uuid.UUID) -> list[DeliveryRow]:
    """Return the last posts to a partner's addresses."""
    return await fetch_rows(DeliveryRow, SQL["list_deliveries"], partner, SHOWN)
