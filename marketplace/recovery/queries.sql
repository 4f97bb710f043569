-- name: list_people_without_letter
-- People added after $1 whose address is not confirmed and who were sent no link yet; two hundred at most.
SELECT person.id
FROM person
WHERE created_at > $1
  AND email_confirmed_at IS NULL
  AND NOT EXISTS (SELECT FROM confirmation_letter WHERE confirmation_letter.person = person.id)
ORDER BY created_at
LIMIT 200;
