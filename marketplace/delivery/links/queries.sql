-- name: list_links
-- The links of the entitlement $2 of the partner $1, the latest first; $3 now, $4 rows.
SELECT
    personal_link.id,
    personal_link.entitlement,
    personal_link.label,
    personal_link.created_at,
    personal_link.ends_at,
    personal_link.last_used_at,
    person.name AS owner_name,
    personal_link.owner,
    personal_link.revoked_at IS NULL
        AND personal_link.ends_at > $3
        AND person.id IS NOT NULL
        AND person.ended_at IS NULL AS is_open
FROM personal_link
JOIN entitlement ON entitlement.id = personal_link.entitlement
LEFT JOIN person ON person.id = personal_link.owner
WHERE entitlement.partner = $1
  AND personal_link.entitlement = $2
ORDER BY personal_link.created_at DESC, personal_link.id
LIMIT $4;

-- name: get_link
-- The link $1, with the partner whose entitlement it opens; $2 now.
SELECT
    personal_link.id,
    personal_link.entitlement,
    entitlement.partner,
    personal_link.ends_at,
    personal_link.last_used_at,
    personal_link.owner,
    personal_link.revoked_at IS NULL
        AND personal_link.ends_at > $2
        AND person.id IS NOT NULL
        AND person.ended_at IS NULL AS is_open
FROM personal_link
JOIN entitlement ON entitlement.id = personal_link.entitlement
LEFT JOIN person ON person.id = personal_link.owner
WHERE personal_link.id = $1;

-- name: note_use
-- Notes the use of the link $1 at $2, unless a use since $3 is noted.
UPDATE personal_link
SET last_used_at = $2
WHERE id = $1
  AND (last_used_at IS NULL OR last_used_at < $3);
