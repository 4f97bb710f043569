"""Invoices and credit notes: the paper of every entry that moves revenue, numbered in the transaction that enters it.

What a paper says is fixed when it is numbered, as a document; its file is drawn from that alone, once, and kept. An
entry that somehow has none is found and given one by a job.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

import msgspec

from marketplace import clock
from marketplace.database import copy_in, execute, fetch, fetch_one, fetch_value, transaction
from marketplace.errors import Invalid, NotFound
from marketplace.purchases.numbers import number, take_numbers
from marketplace.settings import settings
from marketplace.web.formats import paris_day

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import asyncpg

AT_ONCE = 200
LETTERS = {"invoice": "F", "credit_note": "A"}
UNPAPERED = """
SELECT entry.id AS entry, entry.at, purchase_order.id AS purchase_order, purchase_order.number AS order_number,
       purchase_order.vat_basis_points, purchase_order.vat_rule, purchase_order.currency, purchase_order.paid_at,
       moved.sold_minor, moved.vat_minor, company, partner.country, vat_number,
       billing.street, billing.postcode, billing.city, billing.reference,
       coalesce((SELECT language FROM person WHERE person.partner = partner.id ORDER BY created_at, id LIMIT 1), 'fr')
           AS language,
       dataset.title_fr, dataset.title_en, release.period_from, release.period_to, sale.number AS corrects,
       sale.issued_at AS corrects_at
FROM journal_entry AS entry
CROSS JOIN LATERAL (
    SELECT sum(CASE '706000' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS sold_minor,
           sum(CASE '445710' WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS vat_minor
    FROM posting WHERE posting.entry = entry.id
) AS moved
JOIN purchase_order ON purchase_order.id = ({order_of})
JOIN partner ON partner.id = purchase_order.partner
LEFT JOIN billing_details AS billing ON billing.partner = partner.id
JOIN release ON release.id = purchase_order.release JOIN dataset ON dataset.code = release.dataset
LEFT JOIN invoice AS sale ON sale.purchase_order = purchase_order.id AND sale.kind = 'invoice'
WHERE {condition} AND moved.sold_minor + moved.vat_minor <> 0 AND NOT EXISTS (SELECT FROM invoice WHERE invoice.entry = entry.id)
ORDER BY entry.id LIMIT $1
"""
"""Entries that move revenue and have no paper, with what it must say; `sale` is the order's invoice, once it has one."""
ORDER_OF = """CASE WHEN entry.kind = 'sale' THEN entry.source_id::uuid
                   ELSE (SELECT order_return.purchase_order FROM order_return WHERE order_return.id = entry.source_id::uuid) END"""
MOVES_REVENUE = "entry.kind IN ('sale', 'refund', 'dispute_lost') AND entry.source_id ~ '^[0-9a-f-]{36}$'"


async def write_papers(orders: Sequence[uuid.UUID] | None = None) -> int:
    """Give a number to whatever the books sold or gave back without a paper; return how many. Joins an open transaction.

    orders: whose entries alone are looked at; by default everybody's, which is the job's way.
    """
    written = 0
    while done := await _write_some(orders):
        written += done
    return written


async def _write_some(orders: Sequence[uuid.UUID] | None) -> int:
    condition, values = MOVES_REVENUE, list[object]()
    if orders is not None:
        condition = f"""{MOVES_REVENUE} AND (entry.source_id = ANY ($2) OR entry.source_id IN (
            SELECT id::text FROM order_return WHERE order_return.purchase_order::text = ANY ($2)))"""
        values = [[str(order) for order in orders]]
    sql = UNPAPERED.format(order_of=ORDER_OF, condition=condition)
    async with transaction():
        rows = await fetch(sql, AT_ONCE, *values)
        written = await _number("invoice", [row for row in rows if row["sold_minor"] + row["vat_minor"] > 0])
        written += await _number(
            "credit_note", [row for row in rows if row["sold_minor"] + row["vat_minor"] < 0 and row["corrects"]]
        )
    return written


async def _number(kind: str, rows: Sequence[asyncpg.Record]) -> int:
    """Give these entries their papers, in order; entries that got one while the series was waited for are left out."""
    if not rows:
        return 0
    now = clock.now()
    await execute("SELECT FROM number_series WHERE code = $1 FOR UPDATE", f"{LETTERS[kind]}-{paris_day(now).year}")
    taken = await fetch("SELECT entry FROM invoice WHERE entry = ANY ($1)", [row["entry"] for row in rows])
    mine = [row for row in rows if row["entry"] not in {other["entry"] for other in taken}]
    if not mine:
        return 0
    first, at = await take_numbers(LETTERS[kind], now, len(mine))
    series, _, position = first.rpartition("-")
    records = []
    for place, row in enumerate(mine, int(position)):
        net, vat = abs(row["sold_minor"]), abs(row["vat_minor"])
        document = _document(kind, number(series, place), at, row, (net, vat))
        records.append((
            uuid.uuid4(), document["number"], series, place, number(series, place - 1) if place > 1 else None, kind,
            row["purchase_order"], row["entry"], row["corrects"] if kind == "credit_note" else None, at, net, vat,
            net + vat, msgspec.json.encode(document, order="deterministic"),
        ))  # fmt: skip
    await copy_in(
        "invoice",
        ("id", "number", "series", "position", "previous", "kind", "purchase_order", "entry", "corrects", "issued_at",
         "net_minor", "vat_minor", "total_minor", "document"),
        records,
    )  # fmt: skip
    return len(records)


def _document(
    kind: str, its_number: str, at: dt.datetime, row: asyncpg.Record, amounts_minor: tuple[int, int]
) -> dict[str, Any]:
    """Return all that a paper says: whole cents, days in Paris, the parties as they are today."""
    seller, (net, vat) = settings(), amounts_minor
    correcting = kind == "credit_note"
    return {
        "kind": kind,
        "number": its_number,
        "language": row["language"],
        "issued_on": paris_day(at).isoformat(),
        "delivered_on": paris_day(row["paid_at"] or row["at"]).isoformat(),
        "order": row["order_number"],
        "corrects": {"number": row["corrects"], "issued_on": paris_day(row["corrects_at"]).isoformat()}
        if correcting else None,
        "seller": {
            "name": seller.seller_name, "street": seller.seller_street, "postcode": seller.seller_postcode,
            "city": seller.seller_city, "siren": seller.seller_siren, "vat_number": seller.seller_vat_number,
            "legal": seller.seller_legal,
        },
        "buyer": {
            "name": row["company"], "country": row["country"], "vat_number": row["vat_number"],
            "street": row["street"] or "", "postcode": row["postcode"] or "", "city": row["city"] or "",
            "reference": row["reference"] or "",
        },
        "line": {
            "title_fr": row["title_fr"], "title_en": row["title_en"],
            "from": row["period_from"].date().isoformat(), "until": row["period_to"].isoformat(),
        },
        "currency": row["currency"],
        "vat_rule": row["vat_rule"],
        "vat_basis_points": row["vat_basis_points"],
        "net_minor": net,
        "vat_minor": vat,
        "total_minor": net + vat,
    }  # fmt: skip


async def draw_papers() -> int:
    """Draw the file of every paper that has none yet; a job. Return how many."""
    drawn = 0
    while rows := await fetch(
        """SELECT id FROM invoice WHERE NOT EXISTS (SELECT FROM invoice_file WHERE invoice_file.invoice = invoice.id)
           ORDER BY issued_at, id LIMIT $1""",
        AT_ONCE,
    ):
        for row in rows:
            await _draw(row["id"])
        drawn += len(rows)
    return drawn


async def work_on_papers() -> None:
    """Give whatever has no paper yet its number, and its file; a job."""
    await write_papers()
    await draw_papers()


async def _draw(invoice: uuid.UUID) -> None:
    from marketplace.purchases.invoice_pdf import draw  # noqa: PLC0415 (two seconds that a site which starts need not wait for)

    document = await fetch_value("SELECT document FROM invoice WHERE id = $1", invoice)
    pdf = await asyncio.to_thread(draw, msgspec.json.decode(document))
    await execute(
        "INSERT INTO invoice_file (invoice, pdf, sha256, drawn_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        invoice, pdf, hashlib.sha256(pdf).hexdigest(), clock.now(),
    )  # fmt: skip


async def list_papers(order: uuid.UUID) -> list[asyncpg.Record]:
    """Return an order's invoice and credit notes, the first issued first."""
    return await fetch(
        """SELECT id, number, kind, issued_at, total_minor FROM invoice WHERE purchase_order = $1
           ORDER BY issued_at, number""",
        order,
    )


async def get_paper(invoice: uuid.UUID, partner: uuid.UUID | None = None) -> tuple[str, bytes]:
    """Return a paper's number and file, drawn now if the job has not; `partner` may have its own alone."""
    sql = """SELECT invoice.number, invoice_file.pdf FROM invoice
             JOIN purchase_order ON purchase_order.id = invoice.purchase_order
             LEFT JOIN invoice_file ON invoice_file.invoice = invoice.id
             WHERE invoice.id = $1 AND ($2::uuid IS NULL OR purchase_order.partner = $2)"""
    row = await fetch_one(sql, invoice, partner)
    if row is None:
        raise NotFound("There is no such invoice.")
    if row["pdf"] is None:
        await _draw(invoice)
        row = await fetch_one(sql, invoice, partner)
        assert row, "it was there a moment ago, and papers are never deleted"
    return row["number"], row["pdf"]


async def get_billing(partner: uuid.UUID) -> asyncpg.Record | None:
    """Return where a partner's invoices are addressed, or None."""
    return await fetch_one("SELECT * FROM billing_details WHERE partner = $1", partner)


async def change_billing(partner: uuid.UUID, *, street: str, postcode: str, city: str, reference: str) -> None:
    """Write where a partner's invoices are addressed, those to come; refuses an address without street or city."""
    texts = [" ".join(text.split()) for text in (street, postcode, city, reference)]
    if not (texts[0] and texts[2]) or any(
        len(text) > longest for text, longest in zip(texts, (200, 20, 100, 60), strict=True)
    ):
        raise Invalid("Write the street and the city, as they should stand on your invoices.")
    await execute(
        """INSERT INTO billing_details (partner, street, postcode, city, reference, changed_at)
           VALUES ($1, $2, $3, $4, $5, $6)
           ON CONFLICT (partner) DO UPDATE SET street = excluded.street, postcode = excluded.postcode,
               city = excluded.city, reference = excluded.reference, changed_at = excluded.changed_at""",
        partner, *texts, clock.now(),
    )  # fmt: skip
