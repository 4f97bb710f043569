-- name: find_claim_since
-- When the line $1 was claimed, if that is after the command $2 was written.
SELECT claimed_at
FROM subscriber
JOIN stripe_command ON stripe_command.id = $2 AND created_at < claimed_at
WHERE reference = $1;

-- name: find_makings
-- The commands that made the connected accounts $1.
SELECT id
FROM stripe_command
WHERE verb = 'account' AND object_id = ANY ($1::text[]);
