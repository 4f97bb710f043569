-- name: list_unlogged
-- The first $1 facts without a place in the log, by number, and whether the log has an entry of the same kind about the
-- same subject.
SELECT
    log_fact.id,
    log_fact.kind,
    log_fact.subject,
    log_fact.statement,
    log_fact.at,
    EXISTS (
        SELECT FROM log_entry
        WHERE log_entry.kind = log_fact.kind
          AND log_entry.subject = log_fact.subject
    ) AS is_known
FROM unlogged_fact
JOIN log_fact ON log_fact.id = unlogged_fact.fact
ORDER BY log_fact.id
LIMIT $1;

-- name: list_new_receipts
-- Up to $2 receipts of consent given before $1, with ids above $3, that are in no day's tree.
SELECT
    consent_record.id,
    consent_record.receipt,
    consent_record.subscriber,
    consent_record.given,
    consent_record.at,
    consent_record.purpose,
    consent_record.notice,
    consent_record.channel,
    consent_record.covers
FROM consent_record
WHERE consent_record.at < $1
  AND consent_record.id > $3
  AND NOT EXISTS (
    SELECT FROM day_item
    WHERE day_item.kind = 'consent_receipts'
      AND day_item.source = consent_record.receipt::text
)
ORDER BY consent_record.id
LIMIT $2;

-- fragment: journal_document
-- A journal entry with its postings, as a leaf of a day's tree.
jsonb_build_object(
    'entry', journal_entry.id,
    'kind', journal_entry.kind,
    'source', journal_entry.source_id,
    'at', journal_entry.at,
    'recorded_at', journal_entry.recorded_at,
    'currency', journal_entry.currency,
    'text', journal_entry.text,
    'postings', (
        SELECT jsonb_agg(
            jsonb_build_array(posting.debit, posting.credit, posting.amount_minor) ORDER BY posting.id
        )
        FROM posting
        WHERE posting.entry = journal_entry.id
    )
)::text

-- name: list_new_journal_entries
-- Up to $2 journal entries recorded before $1, with ids above $3, that are in no day's tree; each with its postings.
SELECT
    journal_entry.id,
    journal_entry.id::text AS source,
    {journal_document} AS document
FROM journal_entry
WHERE journal_entry.recorded_at < $1
  AND journal_entry.id > $3
  AND NOT EXISTS (
    SELECT FROM day_item
    WHERE day_item.kind = 'journal_entries'
      AND day_item.source = journal_entry.id::text
)
ORDER BY journal_entry.id
LIMIT $2;

-- fragment: trail_document
-- A link of the audit trail's chain, as a leaf of a day's tree.
jsonb_build_object('number', trail_link.number, 'hash', trail_link.hash)::text

-- name: list_new_trail_heads
-- The last link of the audit trail's chain, above the number $3, of the lines written before $1, unless it is in a
-- day's tree; at most $2 rows.
SELECT
    trail_link.number AS id,
    trail_link.number::text AS source,
    {trail_document} AS document
FROM trail_link
JOIN staff_action ON staff_action.id = trail_link.action
WHERE staff_action.at < $1
  AND trail_link.number > $3
  AND NOT EXISTS (
    SELECT FROM day_item
    WHERE day_item.kind = 'audit_trail'
      AND day_item.source = trail_link.number::text
)
ORDER BY trail_link.number DESC
LIMIT least($2, 1);

-- name: list_new_hidden_facts
-- Up to $2 confidential facts of the kind $4 stated before $1, with ids above $3, that are in no day's tree.
SELECT hidden_fact.id, hidden_fact.source, hidden_fact.document
FROM hidden_fact
WHERE hidden_fact.at < $1
  AND hidden_fact.id > $3
  AND hidden_fact.kind = $4
  AND NOT EXISTS (
    SELECT FROM day_item
    WHERE day_item.kind = hidden_fact.kind
      AND day_item.source = hidden_fact.source
)
ORDER BY hidden_fact.id
LIMIT $2;

-- name: list_quotes_of
-- The ten latest quotes of posted prices of the partner $1.
SELECT quote.id, quote.offer, quote.quoted_at, quote.document
FROM quote
WHERE quote.partner = $1
  AND quote.auction IS NULL
ORDER BY quote.quoted_at DESC, quote.id
LIMIT 10;

-- name: list_hidden
-- The confidential facts of the kind $1 whose names begin with $2, in the order they were stated.
SELECT hidden_fact.source, hidden_fact.document
FROM hidden_fact
WHERE hidden_fact.kind = $1
  AND starts_with(hidden_fact.source, $2)
ORDER BY hidden_fact.id;

-- name: find_journal_document
-- The journal entry $1, as a leaf of a day's tree.
SELECT {journal_document}
FROM journal_entry
WHERE journal_entry.id = $1;

-- name: find_trail_document
-- The link $1 of the audit trail's chain, as a leaf of a day's tree.
SELECT {trail_document}
FROM trail_link
WHERE trail_link.number = $1;

-- name: list_altered_trail
-- The links of the audit trail that are not what a day's tree has of them, or are gone.
SELECT day_item.source AS link, day_tree.day
FROM day_item
JOIN day_tree ON day_tree.id = day_item.tree
LEFT JOIN trail_link ON trail_link.number = day_item.source::bigint
WHERE day_item.kind = 'audit_trail'
  AND (trail_link.number IS NULL OR sha256(convert_to({trail_document}, 'UTF8')) <> day_item.digest)
ORDER BY trail_link.number;

-- name: list_trail_heads
-- The ten latest links of the audit trail's chain that are in a day's tree.
SELECT day_item.source
FROM day_item
WHERE day_item.kind = 'audit_trail'
ORDER BY day_item.id DESC
LIMIT 10;

-- name: list_bids_of
-- The partner $1's ten latest bids, the last one first.
SELECT bid.id, bid.auction, bid.received_at, dataset.title_fr, dataset.title_en
FROM bid
JOIN auction ON auction.id = bid.auction
JOIN offer ON offer.id = auction.offer
JOIN dataset ON dataset.code = offer.dataset
WHERE bid.partner = $1
ORDER BY bid.received_at DESC, bid.id
LIMIT 10;
