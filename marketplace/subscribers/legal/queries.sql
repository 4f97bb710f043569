-- name: list_questions
-- Unanswered questions first, the latest first within each. $1 rows, $2 rows to skip.
SELECT id, person, email, about, text, asked_at, answered_at
FROM question
ORDER BY answered_at IS NOT NULL, asked_at DESC, id
LIMIT $1
OFFSET $2;
