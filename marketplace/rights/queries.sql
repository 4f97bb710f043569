-- name: find_capacity
-- What the person $1 is here for, and when another holder of their line last erased themselves.
SELECT
    person.partner,
    person.subscriber AS line,
    person.staff_role AS role,
    person.language,
    subscriber.erased_at AS left_at,
    person.email_confirmed_at
FROM person
LEFT JOIN subscriber ON subscriber.reference = person.subscriber
WHERE person.id = $1;
