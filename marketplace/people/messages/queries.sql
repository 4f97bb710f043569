-- name: list_messages
-- The messages of the recipients (audience $1[i], id $2[i]), the latest first, and whether the person $3 has read each.
-- $4 rows, $5 rows to skip. For a line only messages after $6, unless that is null.
SELECT message.id, kind, details, created_at, message_read.read_at
FROM message
JOIN unnest($1::text[], $2::text[]) AS given (audience, recipient) USING (audience, recipient)
LEFT JOIN message_read ON message_read.message = message.id AND message_read.reader = $3
WHERE audience <> 'line' OR $6::timestamptz IS NULL OR created_at > $6
ORDER BY created_at DESC, message.id
LIMIT $4
OFFSET $5;

-- name: claim_unmailed
-- Removes the $1 oldest messages from the queue of those without letters, and returns them.
WITH claimed AS (
    DELETE FROM message_to_mail
    WHERE id IN (SELECT id FROM message_to_mail ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
    RETURNING message
)
SELECT message.id, kind, audience, recipient, created_at
FROM claimed
JOIN message ON message.id = claimed.message
ORDER BY created_at, message.id;

-- name: claim_of
-- Claims and returns the message of the kind $1 about the fact $2, so that nobody else writes letters for it.
DELETE FROM message_to_mail
USING message
WHERE message.id = message_to_mail.message AND message.kind = $1 AND message.source_id = $2
RETURNING message.id;
