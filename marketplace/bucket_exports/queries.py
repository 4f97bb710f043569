"""What a partner sees of its bucket, and what is due."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_rows
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)
SHOWN: Final = 50


class BucketRow(Struct, frozen=True):
    """A bucket, with how much was put there, and how much waits."""

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


class Due(Struct, frozen=True):
    """A delivery that is tried now, with where it goes."""

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
    """Return a partner's buckets, the latest first, disabled ones too."""
    return await fetch_rows(BucketRow, SQL["list_buckets"], partner, SHOWN)


async def list_deliveries(partner: uuid.UUID) -> list[DeliveryRow]:
    """Return what was put into a partner's buckets last, or was to be."""
    return await fetch_rows(DeliveryRow, SQL["list_deliveries"], partner, SHOWN)
