-- name: list_unlinked
-- The first $1 lines of the trail that are not in the chain yet, in the order of their ids.
SELECT id, at, person, verb, subject, reason, before, after, area
FROM unlinked_action
JOIN staff_action ON staff_action.id = action
ORDER BY action
LIMIT $1;

-- name: list_linked
-- The links after the number $1 up to the number $2, with their lines.
SELECT staff_action.id, at, person, verb, subject, reason, before, after, area, number, hash
FROM trail_link
JOIN staff_action ON staff_action.id = action
WHERE number > $1
  AND number <= $2
ORDER BY number;
