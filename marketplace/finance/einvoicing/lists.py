"""Lists of documents on their way, read by walking an index, so that a page costs the same however many were sent."""

from __future__ import annotations

import uuid
from typing import Final

from marketplace.core.database import fetch_column, fetch_rows
from marketplace.core.paging import PAGE_SIZE, Paged, offset, paged
from marketplace.finance.einvoicing.queries import SQL, TransmissionRow
from marketplace.money.ledger.queries import LARGEST_FILE_ROWS

TRANSMISSIONS_BY: Final = {
    "": "invoice.issued_at DESC, invoice.number DESC",
    "oldest": "invoice.issued_at, invoice.number",
    "partner": "lower(company), partner.id, ordered_at DESC, invoice.number",
    "amount": "invoice.total_minor DESC, invoice.number DESC",
    "state": "transmission.state, transmission.created_at DESC, transmission.id",
}
"""The orders for documents on their way; the first one has no name."""
OF_FEW: Final = """
    SELECT transmission.id FROM transmission
    JOIN invoice ON invoice.id = transmission.invoice {buyer}
    WHERE transmission.id = ANY ($3::uuid[]) ORDER BY {order} LIMIT $1 OFFSET $2"""
BUYER: Final = """
    JOIN purchase_order ON purchase_order.id = invoice.purchase_order
    JOIN partner ON partner.id = purchase_order.partner"""
"""The columns that only the order by partner reads for thousands of documents."""
BY_INVOICE: Final = """
    SELECT transmission.id FROM invoice
    JOIN transmission ON transmission.invoice = invoice.id
    WHERE state = ANY ($3::text[]) ORDER BY {order} LIMIT $1 OFFSET $2"""
WALKS: Final = {
    "state": """
        SELECT transmission.id FROM unnest($3::text[]) AS each (state)
        CROSS JOIN LATERAL (
            SELECT id, its.state, created_at FROM transmission AS its WHERE its.state = each.state
            ORDER BY created_at DESC, id LIMIT $1::bigint + $2::bigint) AS transmission
        ORDER BY transmission.state, transmission.created_at DESC, transmission.id LIMIT $1 OFFSET $2""",
    "partner": """
        SELECT its.id FROM (SELECT id, lower(company) AS name FROM partner ORDER BY lower(company), id) AS partner
        CROSS JOIN LATERAL (
            SELECT transmission.id, ordered_at, invoice.number FROM purchase_order
            JOIN invoice ON invoice.purchase_order = purchase_order.id
            JOIN transmission ON transmission.invoice = invoice.id
            WHERE purchase_order.partner = partner.id AND transmission.state = ANY ($3::text[])
            ORDER BY ordered_at DESC, invoice.number LIMIT $1::bigint + $2::bigint) AS its
        ORDER BY partner.name, partner.id, its.ordered_at DESC, its.number LIMIT $1 OFFSET $2""",
}
"""The orders that walk an index with few rows per state or partner; the others walk indexes of invoices."""
STATES: Final = ("corrected", "deposited", "queued", "refused", "rejected", "waiting")
FEW: Final = 2_000
"""The number of documents in one state that milliseconds suffice to look up and sort."""


async def list_transmissions(page: int, state: str = "", sort: str = "", *, few: int = FEW) -> Paged[TransmissionRow]:
    """Return one page of documents on their way, in an order of TRANSMISSIONS_BY; `state` empty: of any.

    Up to `few` in a state are looked up and sorted; more are read by walking an index.
    """
    return paged(await _list_transmissions(state, sort, PAGE_SIZE + 1, offset(page), few), page)


async def list_all_transmissions(state: str = "", sort: str = "") -> list[TransmissionRow]:
    """Return the same in one list."""
    return await _list_transmissions(state, sort, LARGEST_FILE_ROWS, 0, FEW)


async def _list_transmissions(state: str, sort: str, limit: int, skipped: int, few: int) -> list[TransmissionRow]:
    order = TRANSMISSIONS_BY.get(sort, TRANSMISSIONS_BY[""])
    in_state = "SELECT id FROM transmission WHERE state = $1 LIMIT $2"
    some = await fetch_column(uuid.UUID, in_state, state, few + 1) if state else []
    if state and len(some) <= few:
        buyer = BUYER if sort == "partner" else ""
        found = await fetch_column(uuid.UUID, OF_FEW.format(order=order, buyer=buyer), limit, skipped, some)
    else:
        walk = WALKS.get(sort, BY_INVOICE.format(order=order))
        found = await fetch_column(uuid.UUID, walk, limit, skipped, [state] if state else list(STATES))
    rows = {row.id: row for row in await fetch_rows(TransmissionRow, SQL["list_transmissions"], found)}
    return [rows[one] for one in found]
