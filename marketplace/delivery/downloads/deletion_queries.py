"""Reads of copies that must be deleted."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.delivery.downloads.deletion_tables import DeletionConfirmation

SQL: Final = load_statements(__package__, "deletion_queries.sql")


class OwedDeletion(Struct, frozen=True):
    """An order of a recalled release, and whether its partner confirmed the deletion of its copies."""

    purchase_order: uuid.UUID
    number: str
    company: str
    dataset: str
    title_fr: str
    title_en: str
    release: uuid.UUID
    revoked_at: dt.datetime
    downloads: int
    """How many downloads there were before the recall."""
    reminded: int
    confirmed_at: dt.datetime | None


async def list_owed(page: int) -> Paged[OwedDeletion]:
    """Return one page of the orders of recalled releases: those without a confirmation first, the oldest first."""
    return paged(await fetch_rows(OwedDeletion, SQL["list_owed"], PAGE_SIZE + 1, offset(page)), page)


async def find_confirmed(entitlement: uuid.UUID) -> dt.datetime | None:
    """Return when an entitlement's partner confirmed the deletion of its copies, or None."""
    is_it = DeletionConfirmation.entitlement == entitlement
    confirmed = DeletionConfirmation.select(DeletionConfirmation.confirmed_at).where(is_it)
    return await fetch_scalar(dt.datetime, confirmed)
