-- name: list_open
-- The sources that the partner $1 may read at $2, of the products $3, hourly: the most precise first, then the latest
-- revision.
SELECT
    entitlement.id,
    release.period_from,
    release.period_to,
    dataset.time_zone
FROM entitlement
JOIN release ON release.id = entitlement.release
JOIN dataset ON dataset.code = release.dataset
JOIN licence ON licence.id = entitlement.licence
JOIN quote ON quote.id = licence.quote
WHERE entitlement.partner = $1
  AND entitlement.starts_at <= $2
  AND $2 < entitlement.ends_at
  AND entitlement.revoked_at IS NULL
  AND entitlement.suspended_at IS NULL
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = entitlement.release)
  AND dataset.product = ANY($3)
  AND dataset.grain = 'hour'
ORDER BY quote.level, release.revision DESC, entitlement.id
LIMIT 1000;

-- name: claim
-- Claims the $2 callbacks that are due at $1, the longest due first. The claim counts as an attempt, and the callback
-- is due again at $3 unless its outcome is recorded before.
UPDATE density_callback
SET attempts = attempts + 1, next_at = $3
WHERE id IN (
    SELECT id
    FROM density_callback
    WHERE next_at <= $1
    ORDER BY next_at, id
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
RETURNING id, partner, key_id, request, attempts;
