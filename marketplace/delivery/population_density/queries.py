"""Reads of the entitlements that population density uses."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows
from marketplace.core.statements import load_statements
from marketplace.privacy.product_registry import PRODUCTS

SQL: Final = load_statements(__package__)


class Source(Struct, frozen=True):
    """An entitlement to presence by the hour; the period is half-open."""

    id: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime
    time_zone: str


async def list_open(partner: uuid.UUID, now: dt.datetime) -> list[Source]:
    """Return the partner's usable sources, the most precise first."""
    answering = [product.code for product in PRODUCTS.values() if product.answers_density]
    return await fetch_rows(Source, SQL["list_open"], partner, now, answering)
