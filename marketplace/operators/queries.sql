-- name: list_keys
-- Every key: those in force first, the latest first within.
SELECT label, prefix, scopes, created_at, last_used_at, ended_at
FROM operator_key
ORDER BY ended_at IS NOT NULL, created_at DESC, id;

-- name: list_lines_without_code
-- The next lines after $1, $2 at most, in force, that nobody claimed and that have no code, or any where $3.
SELECT reference
FROM subscriber
WHERE reference > $1
  AND gone_at IS NULL
  AND claimed_at IS NULL
  AND ($3::boolean OR activation_code_hash IS NULL)
ORDER BY reference
LIMIT $2;
