-- fragment: vat_at
-- When the books have the VAT of a document, `entry` its entry: its invoice may have been issued again.
CASE
        WHEN entry.kind <> 'sale_reissued' THEN entry.at
        WHEN credit_sale.subject IS NOT NULL THEN purchase_order.paid_at
        WHEN EXISTS (
            SELECT
            FROM invoice_correction AS correction
            JOIN invoice AS former ON former.number = correction.invoice
            JOIN transmission AS its ON its.invoice = former.id
            JOIN einvoicing_flow AS receipt ON receipt.transmission = its.id AND receipt.kind = 'receipt'
            WHERE correction.id::text = entry.source_id
        ) THEN entry.at
        ELSE purchase_order.paid_at
    END

-- fragment: documents
-- Every invoice and credit note since documents travel: whether it goes to its buyer's platform (a company in France's
-- VAT territory) or into reports, when its money settled (null: not yet, or `in_parts`, on credit), how far both are,
-- and when the books have its VAT. `is_undone`: one of a pair that cancel out, of an order said in parts. An invoice
-- issued again before anything of it was said settled when its first one did; the pair that cancels it is in no report.
SELECT
    invoice.id,
    invoice.number,
    invoice.kind,
    invoice.issued_at,
    invoice.document,
    invoice.purchase_order,
    invoice.corrects,
    CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * invoice.net_minor AS net_minor,
    CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * invoice.vat_minor AS vat_minor,
    CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * invoice.total_minor AS total_minor,
    purchase_order.number AS order_number,
    purchase_order.partner,
    purchase_order.vat_rule IN ('domestic', 'overseas')
        AND convert_from(invoice.document, 'UTF8')::jsonb #>> '{buyer,country}' <> 'MC' AS travels,
    CASE WHEN credit_sale.subject IS NULL THEN {vat_at} END AS settled_at,
    credit_sale.subject IS NOT NULL AS in_parts,
    credit_sale.settled_at IS NOT NULL AS is_settled,
    credit_sale.paid_minor,
    entry.kind = 'sale_cancelled'
        OR EXISTS (SELECT FROM invoice_correction WHERE invoice_correction.invoice = invoice.number) AS is_undone,
    {vat_at} AS vat_at,
    entry.kind AS entry_kind,
    transmission.id AS transmission,
    transmission.state,
    transmission.code,
    transmission.address,
    receipt.id IS NOT NULL AS has_receipt
FROM invoice
JOIN purchase_order ON purchase_order.id = invoice.purchase_order
JOIN journal_entry AS entry ON entry.id = invoice.entry
LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
LEFT JOIN transmission ON transmission.invoice = invoice.id
LEFT JOIN einvoicing_flow AS receipt ON receipt.transmission = transmission.id AND receipt.kind = 'receipt'
WHERE invoice.issued_at >= (SELECT from_at FROM einvoicing_state)

-- name: list_ways
-- What is kept of every document when it is issued.
SELECT documents.id, documents.travels, documents.in_parts, documents.vat_at, documents.vat_minor
FROM ({documents}) AS documents;

-- name: list_untransmitted
-- Documents to French companies that have no transmission.
SELECT documents.id FROM ({documents}) AS documents WHERE documents.travels AND documents.transmission IS NULL;

-- name: list_receipts_to_write
-- At most $1 documents whose status 212 is not written: those that were deposited, and the credit note that cancels a
-- rejected invoice whose own 212 had left already, which is said of that invoice, below zero.
SELECT
    documents.transmission,
    documents.state,
    coalesce(former.number, documents.number) AS number,
    coalesce(former.kind, documents.kind) AS kind,
    coalesce(former.issued_at, documents.issued_at) AS issued_at,
    documents.settled_at,
    documents.total_minor,
    coalesce(former.address, documents.address) AS address,
    documents.document
FROM ({documents}) AS documents
LEFT JOIN LATERAL (
    SELECT invoice.number, invoice.kind, invoice.issued_at, its.address
    FROM invoice
    JOIN transmission AS its ON its.invoice = invoice.id
    JOIN einvoicing_flow AS receipt ON receipt.transmission = its.id AND receipt.kind = 'receipt'
    WHERE documents.state = 'corrected' AND documents.kind = 'credit_note' AND invoice.number = documents.corrects
) AS former ON true
WHERE NOT documents.has_receipt
  AND documents.settled_at IS NOT NULL
  AND documents.transmission IS NOT NULL
  AND (documents.state = 'deposited' OR former.number IS NOT NULL)
ORDER BY documents.issued_at, documents.number
LIMIT $1;

-- name: list_parts_to_say
-- At most $1 payments of orders on credit, or what of them went back, that nothing says yet: of documents that travel
-- and were deposited, or, where not $2, of the others, settled before $3; with the order's amounts and what it paid.
SELECT
    documents.id AS invoice,
    movement.id AS movement,
    movement.at AS settled_at,
    movement.amount_minor,
    movement.paid_minor,
    purchase_order.net_minor,
    purchase_order.vat_minor,
    documents.number,
    documents.issued_at,
    coalesce(documents.address, '') AS address,
    documents.document
FROM ({documents}) AS documents
JOIN purchase_order ON purchase_order.id = documents.purchase_order
JOIN (
    SELECT
        id,
        sale,
        at,
        amount_minor,
        (sum(amount_minor) OVER (PARTITION BY sale ORDER BY at, id))::bigint AS paid_minor
    FROM credit_movement
    WHERE kind = 'payment'
) AS movement ON movement.sale = documents.purchase_order
WHERE documents.in_parts
  AND NOT documents.is_undone
  AND documents.kind = 'invoice'
  AND documents.travels = $2
  AND CASE WHEN $2 THEN documents.state = 'deposited' ELSE documents.vat_minor <> 0 AND movement.at < $3 END
  AND NOT EXISTS (
      SELECT FROM settled_part AS part WHERE part.invoice = documents.id AND part.source = movement.id::text
  )
ORDER BY movement.at, movement.id
LIMIT $1;

-- name: list_parts_to_say_back
-- Cancelled invoices of which parts were said that were not said back yet, with what was, in cents.
SELECT
    invoice.id AS invoice,
    invoice.number,
    invoice.issued_at,
    transmission.address,
    invoice.document,
    sum(part.total_minor)::bigint AS amount_minor,
    sum(part.vat_minor)::bigint AS vat_minor
FROM settled_part AS part
JOIN invoice ON invoice.id = part.invoice
JOIN transmission ON transmission.invoice = invoice.id
WHERE transmission.state = 'corrected'
GROUP BY invoice.id, transmission.id
HAVING sum(part.total_minor) <> 0;

-- name: list_unreported
-- Documents for reports of the kind $1 (transactions or payments) that no such report has, issued or settled before $2.
SELECT documents.id, documents.issued_at, documents.settled_at
FROM ({documents}) AS documents
WHERE NOT documents.travels
  AND ($1::text = 'transactions' OR documents.vat_minor <> 0)
  AND CASE $1::text WHEN 'transactions' THEN documents.issued_at ELSE documents.settled_at END < $2
  AND NOT EXISTS (
      SELECT FROM reported_document AS reported WHERE reported.invoice = documents.id AND reported.kind = $1
  )
ORDER BY documents.issued_at, documents.number;

-- name: list_of_period
-- The documents $4 and those that reports of the kind $1 have between the instants $2 and $3 (excluded).
SELECT
    documents.id,
    documents.document,
    documents.issued_at,
    documents.settled_at,
    documents.net_minor,
    documents.vat_minor
FROM ({documents}) AS documents
WHERE documents.id = ANY ($4::uuid[])
   OR CASE $1::text WHEN 'transactions' THEN documents.issued_at ELSE documents.settled_at END >= $2
  AND CASE $1::text WHEN 'transactions' THEN documents.issued_at ELSE documents.settled_at END < $3
  AND EXISTS (
      SELECT FROM reported_document AS reported WHERE reported.invoice = documents.id AND reported.kind = $1
  )
ORDER BY documents.issued_at, documents.number;

-- name: list_months
-- Each month since documents travel, the latest first: what the account of VAT collected ($1) moved, but for what bank
-- lines settled of it (through the account $2), what statuses 212 and reports of payments said, and what is still to be
-- said; in cents. A pair that cancels out unsaid is in none. Of an order on credit the invoice has what was said in
-- parts; once all is, each document has its own. Days after the first are read from their sums.
WITH documents AS ({documents}),
part_sums AS (
    SELECT
        invoice.purchase_order,
        sum(part.total_minor) AS total_minor,
        sum(part.vat_minor) AS vat_minor
    FROM settled_part AS part
    JOIN invoice ON invoice.id = part.invoice
    GROUP BY 1
),
in_parts AS (
    SELECT
        documents.id,
        documents.travels,
        date_trunc('month', documents.vat_at AT TIME ZONE 'Europe/Paris')::date AS month,
        documents.vat_minor,
        CASE
            WHEN documents.is_settled AND coalesce(part_sums.total_minor, 0) = documents.paid_minor
                THEN documents.vat_minor
            WHEN documents.kind = 'invoice' THEN coalesce(part_sums.vat_minor, 0)
            ELSE 0
        END AS said_minor
    FROM documents
    LEFT JOIN part_sums ON part_sums.purchase_order = documents.purchase_order
    WHERE documents.in_parts AND NOT documents.is_undone
),
said AS (
    SELECT
        date_trunc('month', documents.vat_at AT TIME ZONE 'Europe/Paris')::date AS month,
        sum(documents.vat_minor) FILTER (WHERE documents.travels AND documents.has_receipt) AS statuses_minor,
        sum(documents.vat_minor) FILTER (WHERE reported.id IS NOT NULL) AS reports_minor,
        sum(documents.vat_minor) FILTER (
            WHERE documents.travels AND NOT documents.has_receipt AND documents.state IS DISTINCT FROM 'corrected'
               OR NOT documents.travels AND reported.id IS NULL
        ) AS waiting_minor
    FROM documents
    LEFT JOIN reported_document AS reported
        ON reported.invoice = documents.id AND reported.kind = 'payments'
    WHERE NOT documents.in_parts
    GROUP BY 1
    UNION ALL
    SELECT
        month,
        sum(said_minor) FILTER (WHERE travels),
        sum(said_minor) FILTER (WHERE NOT travels),
        sum(vat_minor - said_minor)
    FROM in_parts
    GROUP BY 1
),
said_by_month AS (
    SELECT
        month,
        sum(statuses_minor) AS statuses_minor,
        sum(reports_minor) AS reports_minor,
        sum(waiting_minor) AS waiting_minor
    FROM said
    GROUP BY month
),
moved AS (
    SELECT day, credit_minor - debit_minor AS moved_minor
    FROM day_sum
    WHERE account = $1 AND day > (SELECT (from_at AT TIME ZONE 'Europe/Paris')::date FROM einvoicing_state)
    UNION ALL
    SELECT (at AT TIME ZONE 'Europe/Paris')::date, CASE $1::text WHEN credit THEN amount_minor ELSE -amount_minor END
    FROM einvoicing_state
    JOIN journal_entry ON at >= from_at AND at < from_at + interval '25 hours'
    CROSS JOIN LATERAL (SELECT * FROM posting WHERE posting.entry = journal_entry.id OFFSET 0) AS posted
    WHERE $1 IN (debit, credit) AND (at AT TIME ZONE 'Europe/Paris')::date <= from_at AT TIME ZONE 'Europe/Paris'
    UNION ALL
    SELECT (at AT TIME ZONE 'Europe/Paris')::date, CASE $1::text WHEN credit THEN -amount_minor ELSE amount_minor END
    FROM posting
    CROSS JOIN LATERAL (SELECT at FROM journal_entry WHERE journal_entry.id = posting.entry OFFSET 0) AS entered
    WHERE at >= (SELECT from_at FROM einvoicing_state)
      AND (debit = $1 AND credit = $2::text OR debit = $2 AND credit = $1)
),
booked AS (
    SELECT date_trunc('month', day)::date AS month, sum(moved_minor) AS booked_minor FROM moved GROUP BY 1
)
SELECT
    coalesce(said_by_month.month, booked.month) AS month,
    coalesce(booked.booked_minor, 0)::bigint AS booked_minor,
    coalesce(said_by_month.statuses_minor, 0)::bigint AS statuses_minor,
    coalesce(said_by_month.reports_minor, 0)::bigint AS reports_minor,
    coalesce(said_by_month.waiting_minor, 0)::bigint AS waiting_minor
FROM said_by_month
FULL JOIN booked ON booked.month = said_by_month.month
ORDER BY 1 DESC
LIMIT 36;

-- name: list_unreported_exceptions
-- Documents that neither a platform nor a report has, as exceptions: of French companies an hour after being issued,
-- of others a day after the month is over in which they were issued, or settled; $2 is now.
SELECT
    CASE WHEN its.travels THEN 'facture' ELSE its.kinds END AS detail,
    its.id::text AS subject,
    its.number AS reference,
    '/finance/orders/' || its.purchase_order AS path,
    its.total_minor AS amount_minor,
    its.issued_at AS at
FROM (
    SELECT
        documents.*,
        coalesce(
            (
                SELECT string_agg(reported.kind, ', ' ORDER BY reported.kind)
                FROM reported_document AS reported
                WHERE reported.invoice = documents.id
            ),
            '–'
        ) AS kinds
    FROM ({documents}) AS documents
) AS its
WHERE CASE
    WHEN its.travels THEN its.issued_at < $2::timestamptz - interval '1 hour' AND its.transmission IS NULL
    ELSE date_trunc('month', its.issued_at AT TIME ZONE 'Europe/Paris') + interval '1 month 1 day'
         < $2::timestamptz AT TIME ZONE 'Europe/Paris'
         AND its.kinds NOT LIKE '%transactions%'
         OR date_trunc('month', greatest(its.issued_at, its.settled_at) AT TIME ZONE 'Europe/Paris')
         + interval '1 month 1 day' < $2::timestamptz AT TIME ZONE 'Europe/Paris'
         AND its.settled_at IS NOT NULL AND its.vat_minor <> 0 AND its.kinds NOT LIKE '%payments%'
END;

-- name: list_unsaid_exceptions
-- Payments of orders on credit that neither a status 212 nor a report has, and cancelled invoices whose parts were not
-- said back, as exceptions: of French companies an hour after the later of payment and deposit, of others a day after
-- the month of the payment is over; $2 is now.
SELECT
    CASE WHEN documents.travels THEN '212' ELSE 'payments' END AS detail,
    movement.id::text AS subject,
    documents.number AS reference,
    '/finance/orders/' || documents.purchase_order AS path,
    movement.amount_minor,
    movement.at
FROM ({documents}) AS documents
JOIN credit_movement AS movement ON movement.sale = documents.purchase_order AND movement.kind = 'payment'
LEFT JOIN transmission ON transmission.id = documents.transmission
WHERE documents.in_parts
  AND NOT documents.is_undone
  AND documents.kind = 'invoice'
  AND CASE
      WHEN documents.travels
          THEN documents.state = 'deposited'
              AND greatest(movement.at, transmission.deposited_at) < $2::timestamptz - interval '1 hour'
      ELSE documents.vat_minor <> 0
          AND date_trunc('month', movement.at AT TIME ZONE 'Europe/Paris') + interval '1 month 1 day'
          < $2::timestamptz AT TIME ZONE 'Europe/Paris'
  END
  AND NOT EXISTS (
      SELECT FROM settled_part AS part WHERE part.invoice = documents.id AND part.source = movement.id::text
  )
UNION ALL
SELECT
    '212',
    invoice.id::text,
    invoice.number,
    '/finance/orders/' || invoice.purchase_order,
    -sum(part.total_minor)::bigint,
    max(part.settled_at)
FROM settled_part AS part
JOIN invoice ON invoice.id = part.invoice
JOIN transmission ON transmission.invoice = invoice.id
JOIN invoice_correction AS correction ON correction.invoice = invoice.number
WHERE transmission.state = 'corrected' AND correction.at < $2::timestamptz - interval '1 hour'
GROUP BY invoice.id
HAVING sum(part.total_minor) <> 0;
