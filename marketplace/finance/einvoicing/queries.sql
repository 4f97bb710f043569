-- fragment: documents
-- Every invoice and credit note since e-invoicing began, with `einvoice`: whether it goes to its buyer's platform (a
-- company in France's VAT territory) or into reports, when it settled (null: not yet, or `in_parts`, on credit), and
-- the state of both. `is_undone`: one of a pair that cancel out, of an order reported in parts; a pair that cancels an
-- unreported invoice is in no report. Each statement adds which documents, from the rows that wait.
SELECT
    invoice.id,
    invoice.number,
    invoice.kind,
    invoice.issued_at,
    invoice.document,
    invoice.purchase_order,
    invoice.corrects,
    CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * invoice.net_minor AS net_minor,
    einvoice.vat_minor,
    CASE invoice.kind WHEN 'invoice' THEN 1 ELSE -1 END * invoice.total_minor AS total_minor,
    purchase_order.number AS order_number,
    purchase_order.partner,
    einvoice.travels,
    CASE WHEN NOT einvoice.is_in_parts THEN einvoice.vat_at END AS settled_at,
    einvoice.is_in_parts AS in_parts,
    entry.kind = 'sale_cancelled'
        OR EXISTS (SELECT FROM invoice_correction WHERE invoice_correction.invoice = invoice.number) AS is_undone,
    transmission.id AS transmission,
    transmission.state,
    transmission.address,
    receipt.id IS NOT NULL AS has_receipt
FROM einvoice
JOIN invoice ON invoice.id = einvoice.invoice
JOIN purchase_order ON purchase_order.id = invoice.purchase_order
JOIN journal_entry AS entry ON entry.id = invoice.entry
LEFT JOIN transmission ON transmission.invoice = invoice.id
LEFT JOIN einvoicing_flow AS receipt ON receipt.transmission = transmission.id AND receipt.kind = 'receipt'
WHERE einvoice.issued_at >= (SELECT from_at FROM einvoicing_state)

-- fragment: moved_orders
-- Orders on credit with a payment, or a document, that may not be reported yet.
ARRAY(SELECT DISTINCT subject FROM einvoice_unsaid WHERE what = 'parts')

-- fragment: said_back
-- The reported amounts of cancelled invoices of those orders that were not reversed: the sum is not zero.
FROM einvoice
JOIN settled_part AS part ON part.invoice = einvoice.invoice
JOIN invoice ON invoice.id = einvoice.invoice
JOIN transmission ON transmission.invoice = invoice.id AND transmission.state = 'corrected'

-- fragment: is_unsaid
-- Whether a payment of an order on credit has to be reported for a document and is not yet.
documents.in_parts
  AND NOT documents.is_undone
  AND documents.kind = 'invoice'
  AND (documents.travels OR documents.vat_minor <> 0)
  AND NOT EXISTS (
      SELECT FROM settled_part AS part WHERE part.invoice = documents.id AND part.source = movement.id::text
  )

-- name: make_transmissions
-- Creates the transmission of every document to a French company, at $1.
WITH waiting AS (
    SELECT subject
    FROM einvoice_unsaid
    WHERE what = 'transmission' AND at >= (SELECT from_at FROM einvoicing_state)
),
made AS (
    INSERT INTO transmission (id, invoice, state, created_at)
    SELECT gen_random_uuid(), subject, 'waiting', $1
    FROM waiting
    ON CONFLICT (invoice) DO NOTHING
)
DELETE FROM einvoice_unsaid AS unsaid
WHERE unsaid.what = 'transmission'
  AND (
      unsaid.subject IN (SELECT subject FROM waiting)
      OR unsaid.at < (SELECT from_at FROM einvoicing_state)
  );

-- name: forget_receipts
-- Drops documents from the queue of unreported ones once their status 212 was sent, or when they predate e-invoicing or
-- were corrected, except the credit note that reverses the reported amounts of a rejected invoice.
DELETE FROM einvoice_unsaid AS unsaid
USING einvoice
JOIN invoice ON invoice.id = einvoice.invoice
LEFT JOIN transmission ON transmission.invoice = einvoice.invoice
WHERE unsaid.what = 'receipt'
  AND einvoice.invoice = unsaid.subject
  AND (
      einvoice.issued_at < (SELECT from_at FROM einvoicing_state)
      OR EXISTS (
          SELECT FROM einvoicing_flow AS flow WHERE flow.transmission = transmission.id AND flow.kind = 'receipt'
      )
      OR transmission.state = 'corrected' AND NOT (
          invoice.kind = 'credit_note'
          AND EXISTS (
              SELECT
              FROM invoice AS former
              JOIN transmission AS its ON its.invoice = former.id
              JOIN einvoicing_flow AS flow ON flow.transmission = its.id AND flow.kind = 'receipt'
              WHERE former.number = invoice.corrects
          )
      )
  );

-- name: forget_parts
-- Drops the fully reported orders on credit from the queue.
DELETE FROM einvoice_unsaid AS unsaid
WHERE unsaid.what = 'parts'
  AND NOT EXISTS (
      SELECT
      FROM ({documents}) AS documents
      JOIN credit_movement AS movement ON movement.sale = documents.purchase_order AND movement.kind = 'payment'
      WHERE documents.purchase_order = unsaid.subject AND {is_unsaid}
  )
  AND NOT EXISTS (
      SELECT {said_back}
      WHERE einvoice.purchase_order = unsaid.subject
      GROUP BY einvoice.invoice
      HAVING sum(part.total_minor) <> 0
  );

-- name: forget_reported
-- Drops what reports of the kind $1 have, older than $2, and documents older than e-invoicing, from the queue.
DELETE FROM einvoice_unsaid AS unsaid
USING einvoice
WHERE unsaid.what = $1
  AND unsaid.at < $2
  AND einvoice.invoice = unsaid.subject
  AND (
      einvoice.issued_at < (SELECT from_at FROM einvoicing_state)
      OR EXISTS (
          SELECT FROM reported_document AS reported WHERE reported.invoice = einvoice.invoice AND reported.kind = $1
      )
  );

-- name: list_to_send
-- At most $1 waiting documents with a known address of the buyer, the first issued first.
SELECT
    transmission.id AS transmission,
    invoice.id AS invoice,
    invoice.number,
    electronic_address.address,
    invoice.document
FROM transmission
JOIN invoice ON invoice.id = transmission.invoice
JOIN purchase_order ON purchase_order.id = invoice.purchase_order
JOIN electronic_address ON electronic_address.partner = purchase_order.partner
WHERE transmission.state = 'waiting' AND electronic_address.address IS NOT NULL
ORDER BY invoice.issued_at, invoice.number
LIMIT $1;

-- name: list_receipts_to_write
-- At most $1 documents whose status 212 is not written: deposited ones, and the credit note that cancels a rejected
-- invoice whose own 212 had been sent, which is reported for that invoice, below zero.
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
WHERE documents.id = ANY (ARRAY(SELECT subject FROM einvoice_unsaid WHERE what = 'receipt'))
  AND NOT documents.has_receipt
  AND documents.settled_at IS NOT NULL
  AND documents.transmission IS NOT NULL
  AND (documents.state = 'deposited' OR former.number IS NOT NULL)
ORDER BY documents.issued_at, documents.number
LIMIT $1;

-- name: list_parts_to_say
-- At most $1 unreported payments, or returns, of orders on credit: for documents that are sent and were deposited, or,
-- if not $2, of the others, settled before $3; with the order's amounts and its paid total.
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
    WHERE kind = 'payment' AND sale = ANY ({moved_orders})
) AS movement ON movement.sale = documents.purchase_order
WHERE documents.id = ANY (ARRAY(SELECT invoice FROM einvoice WHERE purchase_order = ANY ({moved_orders})))
  AND documents.travels = $2
  AND CASE WHEN $2 THEN documents.state = 'deposited' ELSE movement.at < $3 END
  AND {is_unsaid}
ORDER BY movement.at, movement.id
LIMIT $1;

-- name: list_parts_to_say_back
-- Cancelled invoices whose reported parts were not reversed yet, with the amounts in cents.
SELECT
    invoice.id AS invoice,
    invoice.number,
    invoice.issued_at,
    transmission.address,
    invoice.document,
    sum(part.total_minor)::bigint AS amount_minor,
    sum(part.vat_minor)::bigint AS vat_minor
{said_back}
WHERE einvoice.purchase_order = ANY ({moved_orders})
GROUP BY invoice.id, transmission.id
HAVING sum(part.total_minor) <> 0;

-- name: claim_flow
-- Claims the file that is due longest at $1, until $2, and counts the attempt. A status 212 of a document that was
-- later rejected or refused waits until that is corrected.
UPDATE einvoicing_flow
SET attempts = einvoicing_flow.attempts + 1, next_at = $2
FROM (
    SELECT flow.id, transmission.invoice
    FROM einvoicing_flow AS flow
    LEFT JOIN transmission ON transmission.id = flow.transmission
    LEFT JOIN settled_part AS part ON part.id = flow.part
    WHERE flow.state = 'pending'
      AND flow.next_at <= $1
      AND NOT (
          flow.kind = 'receipt'
          AND EXISTS (
              SELECT
              FROM transmission AS its
              WHERE (its.id = flow.transmission OR its.invoice = part.invoice) AND its.state IN ('rejected', 'refused')
          )
      )
    ORDER BY flow.next_at, flow.created_at, flow.id
    LIMIT 1
    FOR UPDATE OF flow SKIP LOCKED
) AS due
WHERE einvoicing_flow.id = due.id
RETURNING
    einvoicing_flow.id,
    einvoicing_flow.kind,
    einvoicing_flow.transmission,
    due.invoice,
    einvoicing_flow.name,
    einvoicing_flow.body,
    einvoicing_flow.attempts;

-- name: end_corrected
-- Ends the transmission $1 as corrected, and, if $2, that of the credit note that cancels it, which is never sent.
UPDATE transmission
SET state = 'corrected'
FROM invoice
WHERE invoice.id = transmission.invoice
  AND (
      transmission.id = $1
      OR $2::bool
      AND invoice.kind = 'credit_note'
      AND transmission.state = 'waiting'
      AND invoice.corrects = (
          SELECT former.number
          FROM transmission AS its
          JOIN invoice AS former ON former.id = its.invoice
          WHERE its.id = $1
      )
  );

-- name: list_unreported
-- Documents for reports of the kind $1 (transactions or payments) that are in no such report, issued or settled before
-- $2.
SELECT documents.id, documents.issued_at, documents.settled_at
FROM ({documents}) AS documents
WHERE documents.id = ANY (ARRAY(SELECT subject FROM einvoice_unsaid WHERE what = $1 AND at < $2))
  AND NOT documents.travels
  AND ($1::text = 'transactions' OR documents.vat_minor <> 0)
  AND CASE $1::text WHEN 'transactions' THEN documents.issued_at ELSE documents.settled_at END < $2
  AND NOT EXISTS (
      SELECT FROM reported_document AS reported WHERE reported.invoice = documents.id AND reported.kind = $1
  )
ORDER BY documents.issued_at, documents.number;

-- name: list_of_period
-- The documents $4 and those in reports of the kind $1 in [$2, $3), from day $5.
SELECT
    documents.id,
    documents.document,
    documents.issued_at,
    documents.settled_at,
    documents.net_minor,
    documents.vat_minor
FROM ({documents}) AS documents
WHERE documents.id = ANY ($4::uuid[] || ARRAY(
    SELECT reported.invoice
    FROM e_report
    JOIN reported_document AS reported ON reported.report = e_report.id AND reported.kind = e_report.kind
    WHERE e_report.kind = $1 AND e_report.first_day = $5
))
  AND (
      documents.id = ANY ($4::uuid[])
      OR CASE $1::text WHEN 'transactions' THEN documents.issued_at ELSE documents.settled_at END >= $2
      AND CASE $1::text WHEN 'transactions' THEN documents.issued_at ELSE documents.settled_at END < $3
  )
ORDER BY documents.issued_at, documents.number;

-- name: list_months
-- Each month since e-invoicing began, the latest first; $1 is the account of VAT collected, $2 that of suspense.
SELECT month, booked_minor, statuses_minor, reports_minor, waiting_minor
FROM months_of_vat($1, $2);

-- name: list_unheld
-- Parts of documents since e-invoicing began that are neither reported nor waiting for it; an invariant forbids them.
SELECT invoice.number, matter.what
FROM invoice
LEFT JOIN einvoice ON einvoice.invoice = invoice.id
LEFT JOIN einvoicing_state ON true
LEFT JOIN transmission ON transmission.invoice = invoice.id
LEFT JOIN einvoicing_flow AS receipt ON receipt.transmission = transmission.id AND receipt.kind = 'receipt'
CROSS JOIN LATERAL (VALUES
    ('noted', einvoice.invoice IS NULL),
    ('transmission', travels AND transmission.id IS NULL),
    ('receipt', travels AND NOT is_in_parts AND receipt.id IS NULL AND transmission.state IS DISTINCT FROM 'corrected'),
    ('transactions', NOT travels),
    ('payments', NOT travels AND NOT is_in_parts AND einvoice.vat_minor <> 0)
) AS matter (what, waits)
WHERE (from_at IS NULL OR invoice.issued_at >= from_at)
  AND matter.waits
  AND NOT EXISTS (
      SELECT FROM reported_document AS reported WHERE reported.invoice = invoice.id AND reported.kind = matter.what
  )
  AND NOT EXISTS (
      SELECT FROM einvoice_unsaid AS unsaid WHERE unsaid.subject = invoice.id AND unsaid.what = matter.what
  )
UNION ALL
SELECT documents.number, 'parts'
FROM ({documents}) AS documents
JOIN credit_movement AS movement ON movement.sale = documents.purchase_order AND movement.kind = 'payment'
WHERE documents.purchase_order <> ALL ({moved_orders}) AND {is_unsaid};

-- name: list_transmissions
-- The documents $1 on their way.
SELECT
    transmission.id,
    transmission.state,
    transmission.code,
    transmission.address,
    invoice.kind,
    invoice.number,
    invoice.issued_at,
    invoice.total_minor,
    partner.company
FROM transmission
JOIN invoice ON invoice.id = transmission.invoice
JOIN purchase_order ON purchase_order.id = invoice.purchase_order
JOIN partner ON partner.id = purchase_order.partner
WHERE transmission.id = ANY ($1::uuid[]);

-- name: get_transmission
-- The transmission $1 with its document, its buyer and the buyer's lines in the annuaire.
SELECT
    transmission.id,
    transmission.state,
    transmission.code,
    transmission.address,
    transmission.created_at,
    invoice.id AS invoice,
    invoice.kind,
    invoice.number,
    invoice.issued_at,
    invoice.total_minor,
    purchase_order.id AS purchase_order,
    purchase_order.number AS order_number,
    partner.company,
    electronic_address.lines,
    electronic_address.looked_at,
    (
        SELECT newer.number
        FROM invoice_correction AS correction
        JOIN journal_entry AS entry ON entry.kind = 'sale_reissued' AND entry.source_id = correction.id::text
        JOIN invoice AS newer ON newer.entry = entry.id
        WHERE correction.invoice = invoice.number
    ) AS issued_anew
FROM transmission
JOIN invoice ON invoice.id = transmission.invoice
JOIN purchase_order ON purchase_order.id = invoice.purchase_order
JOIN partner ON partner.id = purchase_order.partner
LEFT JOIN electronic_address ON electronic_address.partner = partner.id
WHERE transmission.id = $1;

-- name: list_to_look_up
-- At most $3 vetted partners in France's VAT territory, with the SIREN of their VAT number, whose address was never
-- looked up, has been unknown since before $1, or was last seen before $2.
SELECT partner.id AS partner, right(partner.vat_number, 9) AS siren, electronic_address.address
FROM partner
LEFT JOIN electronic_address ON electronic_address.partner = partner.id
WHERE partner.vetted_at IS NOT NULL
  AND partner.vat_number ~ '^FR..[0-9]{9}$'
  AND partner.country <> 'MC'
  AND (
      electronic_address.partner IS NULL
      OR electronic_address.siren <> right(partner.vat_number, 9)
      OR electronic_address.looked_at
         < CASE WHEN electronic_address.address IS NULL THEN $1::timestamptz ELSE $2::timestamptz END
  )
ORDER BY electronic_address.looked_at NULLS FIRST, partner.id
LIMIT $3;

-- name: list_unreported_exceptions
-- Documents that neither a platform nor a report has, as exceptions: those of French companies an hour after issue,
-- others a day after the month in which they were issued or settled; $2 is now.
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
    WHERE documents.id = ANY (ARRAY(
        SELECT subject
        FROM einvoice_unsaid
        WHERE what = 'transmission' AND at < $2::timestamptz - interval '1 hour'
           OR what IN ('transactions', 'payments')
           AND at < date_trunc('month', $2::timestamptz - interval '20 hours', 'Europe/Paris')
    ))
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
-- Payments of orders on credit that neither a status 212 nor a report has, and cancelled invoices with parts not
-- reversed, as exceptions: those of French companies an hour after the later of payment and deposit, others a day after
-- the month of the payment; $2 is now.
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
WHERE documents.id = ANY (ARRAY(SELECT invoice FROM einvoice WHERE purchase_order = ANY ({moved_orders})))
  AND CASE
      WHEN documents.travels
          THEN documents.state = 'deposited'
              AND greatest(movement.at, transmission.deposited_at) < $2::timestamptz - interval '1 hour'
      ELSE date_trunc('month', movement.at AT TIME ZONE 'Europe/Paris') + interval '1 month 1 day'
          < $2::timestamptz AT TIME ZONE 'Europe/Paris'
  END
  AND {is_unsaid}
UNION ALL
SELECT
    '212',
    invoice.id::text,
    invoice.number,
    '/finance/orders/' || invoice.purchase_order,
    -sum(part.total_minor)::bigint,
    max(part.settled_at)
{said_back}
JOIN invoice_correction AS correction ON correction.invoice = invoice.number
WHERE einvoice.purchase_order = ANY ({moved_orders}) AND correction.at < $2::timestamptz - interval '1 hour'
GROUP BY invoice.id
HAVING sum(part.total_minor) <> 0;
