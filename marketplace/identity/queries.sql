-- name: list_actions
-- The audit trail, newest first. $1 person or null, $2 verb or '', $3 words of the subject or the reason or '',
-- $4 since (included) and $5 until (excluded) or null, $6 rows, $7 rows to skip.
SELECT staff_action.id, at, person, person.name, verb, subject, reason, before, after
FROM staff_action
LEFT JOIN person ON person.id = person
WHERE ($1::uuid IS NULL OR person = $1)
  AND ($2 = '' OR verb = $2)
  AND ($3 = '' OR position(lower($3) IN lower(subject || ' ' || reason)) > 0)
  AND ($4::timestamptz IS NULL OR at >= $4)
  AND ($5::timestamptz IS NULL OR at < $5)
ORDER BY staff_action.id DESC
LIMIT $6
OFFSET $7;
