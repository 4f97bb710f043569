"""What is known of copies that must be deleted."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_rows, fetch_scalar
from marketplace.deletions.tables import DeletionConfirmation
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)


class Owed(Struct, frozen=True):
    """An order of a release that was called back, and whether its partner confirmed that it deleted its copies."""

    purchase_order: uuid.UUID
    number: str
    company: str
    dataset: str
    title_fr: str
    title_en: str
    release: uuid.UUID
    revoked_at: dt.datetime
    downloads: int
    """How often it was downloaded before."""
    reminded: int
    confirmed_at: dt.datetime | None


async def list_owed(page: int) -> Paged[Owed]:
    """Return one page of the orders of what was called back: those without a confirmation first, the oldest first."""
    return paged(await fetch_rows(Owed, SQL["list_owed"], PAGE_SIZE + 1, offset(page)), page)


async def find_confirmed(order: uuid.UUID) -> dt.datetime | None:
    """Return when an order's partner confirmed that it deleted its copies; None: it did not."""
    is_it = DeletionConfirmation.purchase_order == order
    confirmed = DeletionConfirmation.select(DeletionConfirmation.confirmed_at).where(is_it)
    return await fetch_scalar(dt.datetime, confirmed)
