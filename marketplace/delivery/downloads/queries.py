"""Reads of delivery: a partner's own entitlements with the files that they open."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 (msgspec reads a row's annotations)
import uuid  # noqa: TC003 (msgspec reads a row's annotations)
from typing import Final

from marketplace.core.database import fetch_row, fetch_rows, fetch_scalar
from marketplace.core.errors import NotFound, existing
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.core.statements import load_statements
from marketplace.delivery.downloads.rules import Validity

SQL: Final = load_statements(__package__)
ENTITLEMENTS: Final = SQL["entitlements"]
"""For statements of the packages above, which add the condition."""


class EntitlementRow(Validity, frozen=True):
    """A partner's entitlement with its release, whose period is half-open."""

    id: uuid.UUID
    purchase_order: uuid.UUID
    number: str
    """The order's number, as people read it."""
    dataset: str
    release: uuid.UUID
    time_zone: str
    """The time zone of its period's and cells' hours and days."""
    period_from: dt.datetime
    period_to: dt.datetime
    level: int
    """Accuracy: 0 is the release itself, 1 and higher its coarser editions."""
    row_count: int
    cells_sha256: str
    """Of the Parquet file, hex."""
    recalled_fr: str | None
    recalled_en: str | None
    sealed_at: dt.datetime


async def list_entitlements(
    partner: uuid.UUID, page: int = 1, *, after: uuid.UUID | None = None, dataset: str | None = None
) -> Paged[EntitlementRow]:
    """Return one page of a partner's entitlements, the latest first, also ended and revoked ones.

    A page is given by its number, or as the rows after one.
    """
    given = (partner, PAGE_SIZE + 1, offset(page), after, dataset)
    rows = await fetch_rows(EntitlementRow, SQL["list_entitlements"], *given)
    return paged(rows, page)


async def get_entitlement(partner: uuid.UUID, entitlement: uuid.UUID) -> EntitlementRow:
    """Return a partner's own entitlement with its release; NotFound for one of another partner."""
    return existing(
        await fetch_row(EntitlementRow, SQL["get_entitlement"], partner, entitlement),
        NotFound("There is no such download."),
    )


async def holds_release(partner: uuid.UUID, release: uuid.UUID, now: dt.datetime) -> bool:
    """Return whether a partner may fetch the release itself now, not only a coarser edition of it."""
    return bool(await fetch_scalar(bool, SQL["holds_release"], partner, release, now))
