"""Reads of buckets: a partner's own, and the deliveries that are due."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.statements import load_statements

SQL: Final = load_statements(__package__, "bucket_queries.sql")
SHOWN: Final = 50


class BucketRow(Struct, frozen=True):
    """A bucket, with how many purchases were put there, and how many wait."""

    id: uuid.UUID
    endpoint: str
    region: str
    bucket: str
    prefix: str
    added_at: dt.datetime
    disabled_at: dt.datetime | None
    disabled_because: str
    delivered: int
    waiting: int


class DeliveryRow(Struct, frozen=True):
    """One purchase to a bucket."""

    id: int
    number: str
    purchase_order: uuid.UUID
    bucket: str
    attempts: int
    next_at: dt.datetime | None
    delivered_at: dt.datetime | None
    last_answer: str


class DueDelivery(Struct, frozen=True):
    """A delivery to try now, with its bucket."""

    id: int
    bucket_id: uuid.UUID
    partner: uuid.UUID
    endpoint: str
    region: str
    bucket: str
    prefix: str
    key_id: str
    sealed: bytes
    entitlement: uuid.UUID
    number: str
    attempts: int


async def list_buckets(partner: uuid.UUID) -> list[BucketRow]:
    """Return a partner's buckets, the latest first, also disabled ones."""
    return await fetch_rows(BucketRow, SQL["list_buckets"], partner, SHOWN)


async def list_deliveries(partner: uuid.UUID) -> list[DeliveryRow]:
    """Return the last deliveries to a partner's buckets."""
    return await fetch_rows(DeliveryRow, SQL["list_deliveries"], partner, SHOWN)
