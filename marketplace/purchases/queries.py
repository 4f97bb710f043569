"""What pages and machines read of purchases: a partner's own orders with what they grant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from marketplace.database import fetch, fetch_one, fetch_value
from marketplace.errors import Conflict, NotFound
from marketplace.paging import PAGE_SIZE, Paged, offset, paged

if TYPE_CHECKING:
    import uuid

WHOLE = """
    SELECT purchase_order.*, dataset.code AS dataset, dataset.title_fr, dataset.title_en, release.period_from,
           release.period_to, payment.state AS payment_state, payment.method, payment.transfer,
           licence.id AS licence, licence.cancelled_at, licence.contested_at,
           quote.terms, licence_terms.lines_fr, licence_terms.lines_en, licence_terms.months,
           entitlement.id AS entitlement, entitlement.starts_at, entitlement.ends_at, entitlement.revoked_at,
           entitlement.suspended_at, quote.level, revocation.revoked_at AS recalled_at,
           revocation.reason_fr AS recalled_fr, revocation.reason_en AS recalled_en
    FROM purchase_order
    JOIN release ON release.id = purchase_order.release JOIN dataset ON dataset.code = release.dataset
    JOIN quote ON quote.id = purchase_order.quote
    LEFT JOIN revocation ON revocation.release = release.id
    LEFT JOIN payment ON payment.subject = purchase_order.id
    LEFT JOIN licence ON licence.purchase_order = purchase_order.id
    LEFT JOIN entitlement ON entitlement.licence = licence.id
    JOIN licence_terms ON licence_terms.code = quote.terms
"""


async def list_orders(partner: uuid.UUID, page: int) -> Paged[Any]:
    """Return one page of a partner's orders, the latest first."""
    rows = await fetch(
        f"{WHOLE} WHERE purchase_order.partner = $1 ORDER BY ordered_at DESC, purchase_order.id LIMIT $2 OFFSET $3",
        partner, PAGE_SIZE + 1, offset(page),
    )  # fmt: skip
    return paged([dict(row) for row in rows], page)


async def get_order(partner: uuid.UUID, order: uuid.UUID) -> dict[str, Any]:
    """Return a partner's own order with its payment, licence and entitlement; nobody else's.

    transfer: where to send the money, while a bank transfer is awaited.
    """
    row = await fetch_one(f"{WHOLE} WHERE purchase_order.partner = $1 AND purchase_order.id = $2", partner, order)
    if row is None:
        raise NotFound("There is no such order.")
    return {**row, "transfer": json.loads(row["transfer"]) if row["transfer"] else None}


async def get_email(partner: uuid.UUID) -> str:
    """Return whom Stripe's receipt goes to when a machine orders: the partner's first person."""
    email: str | None = await fetch_value(
        "SELECT email FROM person WHERE partner = $1 ORDER BY created_at, id LIMIT 1", partner
    )
    if email is None:
        raise Conflict("Nobody of your company can receive the receipt; sign up a person first.")
    return email
