-- name: list_owed
-- The orders of recalled releases, with their partners' confirmations; $1 rows, $2 rows to skip.
SELECT
    purchase_order.id AS purchase_order,
    purchase_order.number,
    partner.company,
    release.dataset,
    dataset.title_fr,
    dataset.title_en,
    release.id AS release,
    revocation.revoked_at,
    (SELECT count(*) FROM download WHERE download.entitlement = entitlement.id) AS downloads,
    (
        SELECT count(*)
        FROM message
        WHERE message.kind = 'deletion_due'
          AND message.source_id LIKE entitlement.id::text || ' %'
    ) AS reminded,
    deletion_confirmation.confirmed_at
FROM revocation
JOIN release ON release.id = revocation.release
JOIN dataset ON dataset.code = release.dataset
JOIN entitlement ON entitlement.release = release.id
JOIN licence ON licence.id = entitlement.licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order
JOIN partner ON partner.id = purchase_order.partner
LEFT JOIN deletion_confirmation ON deletion_confirmation.entitlement = entitlement.id
ORDER BY deletion_confirmation.confirmed_at IS NOT NULL, revocation.revoked_at, purchase_order.number
LIMIT $1
OFFSET $2;

-- name: list_due
-- The unconfirmed orders of releases recalled before $1 whose next reminder is due at $2, with at most $4 reminders, $3
-- apart; $5 rows. `time` is the number of the reminder, from 1.
SELECT
    due.entitlement,
    due.purchase_order,
    due.number,
    due.partner,
    due.company,
    due.time
FROM (
    SELECT
        entitlement.id AS entitlement,
        purchase_order.id AS purchase_order,
        purchase_order.number,
        purchase_order.partner,
        partner.company,
        floor(
            extract(epoch FROM $2::timestamptz - revocation.revoked_at) / extract(epoch FROM $3::interval)
        )::integer AS time
    FROM revocation
    JOIN entitlement ON entitlement.release = revocation.release
    JOIN licence ON licence.id = entitlement.licence
    JOIN purchase_order ON purchase_order.id = licence.purchase_order
    JOIN partner ON partner.id = purchase_order.partner
    WHERE revocation.revoked_at <= $1
      AND NOT EXISTS (
          SELECT FROM deletion_confirmation WHERE deletion_confirmation.entitlement = entitlement.id
      )
) AS due
WHERE due.time <= $4
  AND NOT EXISTS (
      SELECT
      FROM message
      WHERE message.kind = 'deletion_due'
        AND message.source_id = due.entitlement::text || ' ' || due.time
  )
ORDER BY due.entitlement
LIMIT $5;
