"""What pages and machines read of delivery: a partner's own entitlements with what they open."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 (msgspec reads a row's annotations)
import uuid  # noqa: TC003 (msgspec reads a row's annotations)
from typing import Final

from marketplace.database import fetch_row, fetch_rows, fetch_scalar
from marketplace.delivery.rules import Validity
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.statements import load_statements

SQL: Final = load_statements(__package__)
ENTITLEMENTS: Final = SQL["entitlements"]
"""For statements of the slices above, which say whose."""


class EntitlementRow(Validity, frozen=True):
    """A partner's entitlement with what it opens; the release's period is half-open."""

    id: uuid.UUID
    purchase_order: uuid.UUID
    number: str
    """The order's, as people read it."""
    dataset: str
    release: uuid.UUID
    time_zone: str
    """Whose hours and days its period and cells have."""
    period_from: dt.datetime
    period_to: dt.datetime
    level: int
    """Accuracy: 0 is the release itself, 1 and more its coarser editions."""
    row_count: int
    cells_sha256: str
    """Of the Parquet file, hex."""
    recalled_fr: str | None
    recalled_en: str | None
    sealed_at: dt.datetime


async def list_entitlements(
    partner: uuid.UUID, page: int = 1, *, after: uuid.UUID | None = None, dataset: str | None = None
) -> Paged[EntitlementRow]:
    """Return one page of a partner's entitlements, the latest first, ended and revoked ones too: by number, or after one."""
    given = (partner, PAGE_SIZE + 1, offset(page), after, dataset)
    rows = await fetch_rows(EntitlementRow, SQL["list_entitlements"], *given)
    return paged(rows, page)


async def get_entitlement(partner: uuid.UUID, entitlement: uuid.UUID) -> EntitlementRow:
    """Return a partner's own entitlement with its release; NotFound for anybody else's."""
    row = await fetch_row(EntitlementRow, SQL["get_entitlement"], partner, entitlement)
    if row is None:
        raise NotFound("There is no such download.")
    return row


async def holds_release(partner: uuid.UUID, release: uuid.UUID, now: dt.datetime) -> bool:
    """Return whether a partner may fetch the release itself now, not only a coarser edition of it."""
    return bool(await fetch_scalar(bool, SQL["holds_release"], partner, release, now))
