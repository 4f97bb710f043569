-- name: list_keys
-- Every key: those in force first, the latest first within each.
SELECT label, prefix, scopes, created_at, last_used_at, ended_at
FROM operator_key
ORDER BY ended_at IS NOT NULL, created_at DESC, id;

-- name: list_lines_without_code
-- The next unclaimed lines in force after $1, at most $2, without a code, or with any if $3.
SELECT reference
FROM subscriber
WHERE reference > $1
  AND gone_at IS NULL
  AND claimed_at IS NULL
  AND ($3::boolean OR activation_code_hash IS NULL)
ORDER BY reference
LIMIT $2;
