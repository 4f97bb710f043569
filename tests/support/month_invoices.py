"""The invoices of a loaded month on their way: documents to French companies and their statuses, the others in reports.

Made in the database from the entries of the month's sales and returns, so that a month of any size is there in minutes.
"""

from typing import Final

from marketplace.core import clock
from marketplace.core.database import execute, execute_long

STEPS: Final = (
    """INSERT INTO einvoicing_state (id, from_at, read_until)
       SELECT 1, date_trunc('month', min(at) AT TIME ZONE 'Europe/Paris') AT TIME ZONE 'Europe/Paris', $1
       FROM journal_entry WHERE kind = 'sale'""",
    """INSERT INTO invoice (id, number, series, position, previous, kind, purchase_order, entry, issued_at, net_minor,
                            vat_minor, total_minor, document)
       SELECT md5('F' || place)::uuid, series || '-' || lpad(place::text, 6 + (place > 999999)::int, '0'), series, place,
              series || '-' || lpad(nullif(place - 1, 0)::text, 6 + (place > 1000000)::int, '0'), 'invoice', sold, entry,
              at, net_minor, vat_minor, total_minor,
              convert_to('{"buyer":{"country":"' || CASE WHEN place % 10 = 0 THEN 'MC' ELSE 'FR' END || '"}}', 'UTF8')
       FROM (SELECT row_number() OVER (ORDER BY journal_entry.at, journal_entry.id) AS place,
                    'F-' || extract(year FROM journal_entry.at) AS series, purchase_order.id AS sold,
                    journal_entry.id AS entry, journal_entry.at, net_minor, vat_minor, total_minor
             FROM journal_entry JOIN purchase_order ON purchase_order.id = source_id::uuid
             WHERE journal_entry.kind = 'sale') AS sale""",
    """INSERT INTO invoice (id, number, series, position, previous, kind, purchase_order, entry, corrects, issued_at,
                            net_minor, vat_minor, total_minor, document)
       SELECT md5('A' || place)::uuid, series || '-' || lpad(place::text, 6, '0'), series, place,
              series || '-' || lpad(nullif(place - 1, 0)::text, 6, '0'), 'credit_note', sold, entry, corrects, at,
              net_minor, vat_minor, total_minor, document
       FROM (SELECT row_number() OVER (ORDER BY journal_entry.at, journal_entry.id) AS place,
                    'A-' || extract(year FROM journal_entry.at) AS series, its.purchase_order AS sold,
                    journal_entry.id AS entry, journal_entry.at, its.net_minor, its.vat_minor, its.total_minor,
                    invoice.number AS corrects, invoice.document
             FROM journal_entry
             JOIN order_return AS its ON its.id = source_id::uuid
             JOIN invoice ON invoice.purchase_order = its.purchase_order
             WHERE journal_entry.kind IN ('refund', 'dispute_lost')) AS returned""",
    """INSERT INTO transmission (id, invoice, address, state, code, created_at, deposited_at)
       SELECT md5('T' || number)::uuid, id, '0225:552100554', state,
              CASE state WHEN 'deposited' THEN 212 WHEN 'rejected' THEN 213 END, issued_at,
              CASE state WHEN 'deposited' THEN issued_at END
       FROM (SELECT *, CASE WHEN row_number() OVER (ORDER BY issued_at DESC, number) <= 40 THEN 'queued'
                            WHEN kind = 'invoice' AND position % 500 = 1 THEN 'rejected' ELSE 'deposited' END AS state
             FROM invoice WHERE convert_from(document, 'UTF8') NOT LIKE '%MC%') AS its""",
    """INSERT INTO einvoicing_flow (id, kind, transmission, name, state, next_at, created_at, submitted_at, platform_id)
       SELECT md5(transmission.id::text || its.kind)::uuid, its.kind, transmission.id, its.kind || '.xml',
              'accepted', created_at, created_at, created_at, its.kind || transmission.id
       FROM transmission
       JOIN (VALUES ('invoice'), ('receipt')) AS its (kind)
         ON CASE transmission.state WHEN 'deposited' THEN true WHEN 'rejected' THEN its.kind = 'invoice' ELSE false END""",
    """INSERT INTO life_cycle_event (transmission, source, code, at, received_at, reason_code)
       SELECT id, each.code || '/' || id, each.code, created_at, created_at, each.reason
       FROM transmission
       JOIN (VALUES (200, ''), (212, ''), (213, 'REJ_SEMAN')) AS each (code, reason)
         ON state = CASE each.code WHEN 213 THEN 'rejected' ELSE 'deposited' END""",
    """INSERT INTO e_report (id, kind, first_day, last_day, sequence, documents, net_minor, vat_minor, made_at)
       SELECT md5(each.kind || day)::uuid, each.kind, day, day, 1, documents, net_minor, vat_minor, $1
       FROM (SELECT (issued_at AT TIME ZONE 'Europe/Paris')::date AS day, count(*) AS documents,
                    sum(CASE kind WHEN 'invoice' THEN net_minor ELSE -net_minor END) AS net_minor,
                    sum(CASE kind WHEN 'invoice' THEN vat_minor ELSE -vat_minor END) AS vat_minor
             FROM invoice WHERE convert_from(document, 'UTF8') LIKE '%MC%' GROUP BY 1) AS of_day
       CROSS JOIN (VALUES ('transactions'), ('payments')) AS each (kind)""",
    """INSERT INTO reported_document (invoice, kind, report)
       SELECT invoice.id, e_report.kind, e_report.id
       FROM invoice JOIN e_report ON first_day = (issued_at AT TIME ZONE 'Europe/Paris')::date
       WHERE convert_from(document, 'UTF8') LIKE '%MC%'""",
    """DELETE FROM einvoice_unsaid
       WHERE what <> 'receipt' OR EXISTS (
           SELECT FROM transmission WHERE invoice = subject AND state = 'deposited')""",
)
"""Since when documents travel; documents, a tenth of them of Monaco, which go into reports; transmissions, the last not
sent and some rejected; files, statuses, reports; and what of all this waits no longer."""
TABLES: Final = (
    "invoice",
    "einvoice",
    "einvoice_unsaid",
    "transmission",
    "einvoicing_flow",
    "life_cycle_event",
    "e_report",
    "reported_document",
)


async def load_invoices() -> None:
    """Write the invoices of the month that `load_month` loaded, and how far each has come; let the database know their size."""
    for step in STEPS:
        await execute_long(step, *([clock.now()] if "$1" in step else []))
    for table in TABLES:
        await execute(f"VACUUM ANALYZE {table}")
