-- fragment: request
-- An order that needs an approval, who asked for it and who decided, and the order if it is placed.
SELECT
    request.id, request.quote, request.asked_by, request.api_key, request.document, request.document_sha256,
    request.asked_at, request.decided_at, request.approved,
    coalesce(api_key.label || ' (' || api_key.prefix || '…)', asker.name, '') AS asker,
    coalesce(decider.name, '') AS decider,
    quote.expires_at, quote.level, order_lot.purchase_order,
    dataset.code, dataset.title_fr, dataset.title_en, dataset.time_zone, release.period_from, release.period_to
FROM purchase_request AS request
JOIN quote ON quote.id = request.quote
JOIN release ON release.id = quote.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN person AS asker ON asker.id = request.asked_by
LEFT JOIN api_key ON api_key.id = request.api_key
LEFT JOIN person AS decider ON decider.id = request.decided_by
LEFT JOIN order_lot ON order_lot.quote = request.quote

-- name: find_request
-- The request about the quote $1 of the partner $2.
{request}
WHERE request.quote = $1 AND quote.partner = $2;

-- name: list_requests
-- The requests of the partner $1 that wait at $2, the oldest first.
{request}
WHERE quote.partner = $1 AND request.approved IS NULL AND order_lot.quote IS NULL AND quote.expires_at > $2
ORDER BY request.asked_at, request.id;

-- name: find_approver
-- Who approved the document with the hash $2 about the quote $1.
SELECT decided_by FROM purchase_request WHERE quote = $1 AND document_sha256 = $2 AND approved;

-- name: ask
-- Asks, with the id $1, for an order of the quote $2 by the person $3 or key $4: the document $5 with the hash $6, at
-- $7. Another document about the quote is replaced unless it was refused. Returns nothing where nothing changes.
INSERT INTO purchase_request AS request (id, quote, asked_by, api_key, document, document_sha256, asked_at)
SELECT $1, $2, coalesce($3, (SELECT owner FROM api_key WHERE id = $4)), $4, $5, $6, $7
ON CONFLICT (quote) DO UPDATE
SET asked_by = excluded.asked_by, api_key = excluded.api_key, document = excluded.document,
    document_sha256 = excluded.document_sha256, asked_at = excluded.asked_at,
    decided_by = NULL, decided_at = NULL, approved = NULL
WHERE request.document_sha256 <> excluded.document_sha256 AND request.approved IS NOT false
RETURNING asked_by;

-- name: list_approvers
-- Who may approve orders of the partner $1, other than $2.
SELECT id::text FROM person
WHERE partner = $1 AND company_role IN ('administrator', 'approver') AND ended_at IS NULL AND id IS DISTINCT FROM $2
ORDER BY created_at, id;
