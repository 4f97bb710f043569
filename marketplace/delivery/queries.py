"""What pages and machines read of delivery: a partner's own entitlements with what they open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one
from marketplace.errors import NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import uuid

    import asyncpg

WHOLE = """
    SELECT entitlement.*, release.dataset, release.period_from, release.period_to, release.sealed_at, quote.level,
           coalesce(edition.row_count, release.row_count) AS row_count,
           coalesce(edition.cells_sha256, release.cells_sha256) AS cells_sha256,
           revocation.revoked_at AS recalled_at, revocation.reason_fr AS recalled_fr,
           revocation.reason_en AS recalled_en, licence.purchase_order, purchase_order.number
    FROM entitlement
    JOIN release ON release.id = entitlement.release JOIN licence ON licence.id = entitlement.licence
    JOIN purchase_order ON purchase_order.id = licence.purchase_order
    JOIN quote ON quote.id = purchase_order.quote
    LEFT JOIN edition ON edition.release = release.id AND edition.level = quote.level
    LEFT JOIN revocation ON revocation.release = release.id
"""


async def list_entitlements(partner: uuid.UUID, page: int) -> Paged[Any]:
    """Return one page of a partner's entitlements, the latest first, ended and revoked ones too."""
    rows = await fetch(
        f"{WHOLE} WHERE entitlement.partner = $1 ORDER BY starts_at DESC, entitlement.id LIMIT $2 OFFSET $3",
        partner, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged([dict(row) for row in rows], page)


async def get_entitlement(partner: uuid.UUID, entitlement: uuid.UUID) -> asyncpg.Record:
    """Return a partner's own entitlement with its release; nobody else's."""
    row = await fetch_one(f"{WHOLE} WHERE entitlement.partner = $1 AND entitlement.id = $2", partner, entitlement)
    if row is None:
        raise NotFound("There is no such download.")
    return row
