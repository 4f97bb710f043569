-- fragment: unissued
-- Entries that move revenue and have no invoice or credit note, with its content: $1 rows, $2 and $3 the accounts of
-- licences sold and VAT collected. `sale` is the order's latest invoice, or the one that is corrected.
SELECT
    entry.id AS entry,
    entry.kind,
    entry.at,
    purchase_order.id AS purchase_order,
    purchase_order.number AS order_number,
    purchase_order.partner,
    purchase_order.vat_basis_points,
    purchase_order.vat_rule,
    purchase_order.currency,
    purchase_order.paid_at,
    moved.sold_minor,
    moved.vat_minor,
    company,
    partner.country,
    vat_number,
    billing.street,
    billing.postcode,
    billing.city,
    coalesce(nullif(purchase_order.reference, ''), billing.reference) AS reference,
    electronic_address.address AS electronic_address,
    coalesce(orderer.name, api_key.label || ' (' || api_key.prefix || '…)') AS ordered_by,
    approver.name AS approved_by,
    coalesce(
        (SELECT language FROM person WHERE person.partner = partner.id ORDER BY created_at, id LIMIT 1), 'fr'
    ) AS language,
    lots.lines,
    sale.number AS corrects,
    sale.issued_at AS corrects_at,
    credit_sale.due_at
FROM journal_entry AS entry
CROSS JOIN LATERAL (
    SELECT
        sum(CASE $2::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS sold_minor,
        sum(CASE $3::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS vat_minor
    FROM posting
    WHERE posting.entry = entry.id
) AS moved
JOIN purchase_order ON purchase_order.id = (
    CASE
        WHEN entry.kind = 'sale' THEN entry.source_id::uuid
        WHEN entry.kind IN ('sale_cancelled', 'sale_reissued') THEN (
            SELECT correction.purchase_order FROM invoice_correction AS correction
            WHERE correction.id = entry.source_id::uuid
        )
        ELSE (SELECT order_return.purchase_order FROM order_return WHERE order_return.id = entry.source_id::uuid)
    END
)
JOIN partner ON partner.id = purchase_order.partner
LEFT JOIN billing_details AS billing ON billing.partner = partner.id
CROSS JOIN LATERAL (
    SELECT json_agg(
        json_build_object(
            'title_fr', dataset.title_fr, 'title_en', dataset.title_en, 'months', quote.months,
            'time_zone', dataset.time_zone, 'period_from', release.period_from, 'period_to', release.period_to,
            'net_minor', CASE
                WHEN entry.kind = 'sale' THEN quote.amount_minor
                WHEN back.id IS NOT NULL THEN back.lots_minor[order_lot.position]
                ELSE quote.amount_minor - coalesce(licence.returned_minor, 0)
            END
        ) ORDER BY order_lot.position
    )::text AS lines
    FROM order_lot
    JOIN quote ON quote.id = order_lot.quote
    JOIN release ON release.id = quote.release
    JOIN dataset ON dataset.code = release.dataset
    LEFT JOIN licence ON licence.quote = quote.id
    LEFT JOIN order_return AS back ON back.id::text = entry.source_id
    WHERE order_lot.purchase_order = purchase_order.id
) AS lots
LEFT JOIN spending ON spending.subject = purchase_order.id
LEFT JOIN person AS orderer ON orderer.id = spending.person
LEFT JOIN api_key ON api_key.id = spending.api_key
LEFT JOIN person AS approver ON approver.id = spending.approved_by
LEFT JOIN electronic_address ON electronic_address.partner = partner.id
LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
LEFT JOIN LATERAL (
    SELECT invoice.number, invoice.issued_at
    FROM invoice
    LEFT JOIN invoice_correction AS correction ON correction.invoice = invoice.number
    WHERE invoice.purchase_order = purchase_order.id
      AND invoice.kind = 'invoice'
      AND (entry.kind <> 'sale_cancelled' OR correction.id::text = entry.source_id)
    ORDER BY invoice.issued_at DESC, invoice.number DESC
    LIMIT 1
) AS sale ON true
WHERE entry.kind IN ('sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued')
  AND entry.source_id ~ '^[0-9a-f-]{36}$'
  AND moved.sold_minor + moved.vat_minor <> 0
  AND NOT EXISTS (SELECT FROM invoice WHERE invoice.entry = entry.id)

-- name: list_unissued
-- See the fragment: everybody's entries.
{unissued}
ORDER BY entry.id
LIMIT $1;

-- name: list_unissued_of
-- See the fragment: the entries of the orders $4 alone.
{unissued}
  AND (
      entry.source_id = ANY ($4)
      OR entry.source_id IN (
          SELECT id::text FROM invoice_correction WHERE invoice_correction.purchase_order::text = ANY ($4)
      )
      OR entry.source_id IN (SELECT id::text FROM order_return WHERE order_return.purchase_order::text = ANY ($4))
  )
ORDER BY entry.id
LIMIT $1;

-- name: list_unrendered
-- At most $1 invoices and credit notes that have no file yet, the first issued first.
SELECT id
FROM invoice
WHERE document <> '' AND NOT EXISTS (SELECT FROM invoice_file WHERE invoice_file.invoice = invoice.id)
ORDER BY issued_at, id
LIMIT $1;

-- name: find_invoice_file
-- The number and file of the invoice $1 if it is the partner $2's; a null $2 means any.
SELECT invoice.number, invoice_file.pdf
FROM invoice
JOIN purchase_order ON purchase_order.id = invoice.purchase_order
LEFT JOIN invoice_file ON invoice_file.invoice = invoice.id
WHERE invoice.id = $1 AND ($2::uuid IS NULL OR purchase_order.partner = $2);

-- name: change_billing
-- Writes the billing address of the partner $1: $2 street, $3 postcode, $4 city, $5 reference; $6 now.
INSERT INTO billing_details (partner, street, postcode, city, reference, changed_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (partner) DO UPDATE
SET
    street = excluded.street, postcode = excluded.postcode, city = excluded.city,
    reference = excluded.reference, changed_at = excluded.changed_at;
