-- name: list_buckets
-- The buckets of the partner $1, the latest first; $2 rows.
SELECT
    partner_bucket.id,
    partner_bucket.endpoint,
    partner_bucket.region,
    partner_bucket.bucket,
    partner_bucket.prefix,
    partner_bucket.added_at,
    partner_bucket.disabled_at,
    partner_bucket.disabled_because,
    (SELECT count(*) FROM bucket_delivery WHERE bucket = partner_bucket.id AND delivered_at IS NOT NULL) AS delivered,
    (SELECT count(*) FROM bucket_delivery WHERE bucket = partner_bucket.id AND next_at IS NOT NULL) AS waiting
FROM partner_bucket
WHERE partner_bucket.partner = $1
ORDER BY partner_bucket.added_at DESC, partner_bucket.id
LIMIT $2;

-- name: list_deliveries
-- The last $2 deliveries to buckets of the partner $1.
SELECT
    bucket_delivery.id,
    purchase_order.number,
    purchase_order.id AS purchase_order,
    partner_bucket.bucket,
    bucket_delivery.attempts,
    bucket_delivery.next_at,
    bucket_delivery.delivered_at,
    bucket_delivery.last_answer
FROM bucket_delivery
JOIN partner_bucket ON partner_bucket.id = bucket_delivery.bucket
JOIN entitlement ON entitlement.id = bucket_delivery.entitlement
JOIN licence ON licence.id = entitlement.licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order
WHERE partner_bucket.partner = $1
ORDER BY bucket_delivery.id DESC
LIMIT $2;

-- name: schedule
-- Adds a delivery, due at $1, for each purchase after its partner's open bucket was added that has no delivery there.
INSERT INTO bucket_delivery (bucket, entitlement, next_at, attempts, last_answer)
SELECT partner_bucket.id, entitlement.id, $1, 0, ''
FROM partner_bucket
JOIN entitlement ON entitlement.partner = partner_bucket.partner AND entitlement.starts_at > partner_bucket.added_at
WHERE partner_bucket.disabled_at IS NULL
  AND NOT EXISTS (
      SELECT
      FROM bucket_delivery
      WHERE bucket_delivery.bucket = partner_bucket.id
        AND bucket_delivery.entitlement = entitlement.id
  )
ON CONFLICT (bucket, entitlement) DO NOTHING;

-- name: claim
-- Claims the $2 deliveries that are due at $1, the longest due first. The claim counts as an attempt, and the delivery
-- is due again at $3 unless its outcome is recorded before.
UPDATE bucket_delivery
SET attempts = attempts + 1, next_at = $3
FROM (
    SELECT due.id
    FROM bucket_delivery AS due
    JOIN partner_bucket ON partner_bucket.id = due.bucket
    WHERE due.next_at <= $1
      AND partner_bucket.disabled_at IS NULL
    ORDER BY due.next_at, due.id
    LIMIT $2
    FOR UPDATE OF due SKIP LOCKED
) AS claimed, partner_bucket, entitlement, licence, purchase_order
WHERE bucket_delivery.id = claimed.id
  AND partner_bucket.id = bucket_delivery.bucket
  AND entitlement.id = bucket_delivery.entitlement
  AND licence.id = entitlement.licence
  AND purchase_order.id = licence.purchase_order
RETURNING
    bucket_delivery.id,
    partner_bucket.id AS bucket_id,
    partner_bucket.partner,
    partner_bucket.endpoint,
    partner_bucket.region,
    partner_bucket.bucket,
    partner_bucket.prefix,
    partner_bucket.key_id,
    partner_bucket.sealed,
    bucket_delivery.entitlement,
    purchase_order.number,
    bucket_delivery.attempts;

-- name: replay
-- Makes the delivery $2 to an open bucket of the partner $1 due at $3 as if for the first time.
UPDATE bucket_delivery
SET attempts = 0, next_at = $3, delivered_at = NULL
FROM partner_bucket
WHERE bucket_delivery.id = $2
  AND partner_bucket.id = bucket_delivery.bucket
  AND partner_bucket.partner = $1
  AND partner_bucket.disabled_at IS NULL
RETURNING bucket_delivery.id;
