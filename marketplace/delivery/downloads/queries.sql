-- fragment: entitlement_columns
-- A partner's entitlement with its release; `level` is the accuracy that was bought.
SELECT
    entitlement.starts_at,
    entitlement.ends_at,
    entitlement.revoked_at,
    revocation.revoked_at AS recalled_at,
    entitlement.suspended_at,
    EXISTS (
        SELECT FROM credit_sale
        WHERE credit_sale.subject = licence.purchase_order AND credit_sale.suspended_at IS NOT NULL
    ) AS is_overdue,
    entitlement.id,
    licence.purchase_order,
    purchase_order.number,
    release.dataset,
    entitlement.release,
    dataset.time_zone,
    release.period_from,
    release.period_to,
    quote.level,
    coalesce(edition.row_count, release.row_count) AS row_count,
    coalesce(edition.cells_sha256, release.cells_sha256) AS cells_sha256,
    revocation.reason_fr AS recalled_fr,
    revocation.reason_en AS recalled_en,
    release.sealed_at
FROM entitlement
JOIN release ON release.id = entitlement.release
JOIN dataset ON dataset.code = release.dataset
JOIN licence ON licence.id = entitlement.licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order
JOIN quote ON quote.id = licence.quote
LEFT JOIN edition ON edition.release = release.id AND edition.level = quote.level
LEFT JOIN revocation ON revocation.release = release.id

-- name: entitlements
-- Every entitlement with its release, for statements of the packages above, which add the condition.
{entitlement_columns};

-- name: list_entitlements
-- The entitlements of the partner $1, the latest first; $2 rows, $3 rows to skip, or those after the entitlement $4;
-- of the dataset $5, where these are not null.
{entitlement_columns}
WHERE entitlement.partner = $1
  AND ($5::text IS NULL OR release.dataset = $5)
  AND ($4::uuid IS NULL
       OR (entitlement.starts_at, entitlement.id)
       < (SELECT starts_at, id FROM entitlement WHERE partner = $1 AND id = $4))
ORDER BY entitlement.starts_at DESC, entitlement.id DESC
LIMIT $2
OFFSET $3;

-- name: get_entitlement
-- The entitlement $2 of the partner $1.
{entitlement_columns}
WHERE entitlement.partner = $1
  AND entitlement.id = $2;

-- name: get_validity
-- When the entitlement $1 may be used; read once its licence is locked.
SELECT
    entitlement.starts_at,
    entitlement.ends_at,
    entitlement.revoked_at,
    revocation.revoked_at AS recalled_at,
    entitlement.suspended_at,
    EXISTS (
        SELECT FROM licence
        JOIN credit_sale ON credit_sale.subject = licence.purchase_order
        WHERE licence.id = entitlement.licence AND credit_sale.suspended_at IS NOT NULL
    ) AS is_overdue
FROM entitlement
LEFT JOIN revocation ON revocation.release = entitlement.release
WHERE entitlement.id = $1;

-- name: record_download
-- Records the download $1 of the entitlement $2 if it may be used at $5: $3 format, $4 bytes. It reads the rows after
-- locking them, so nobody ended the entitlement before, and an action that ends it does so afterwards.
INSERT INTO download (id, entitlement, format, byte_count, at)
SELECT $1, valid.id, $3, $4, $5::timestamptz
FROM (
    SELECT entitlement.id
    FROM entitlement
    JOIN licence ON licence.id = entitlement.licence
    WHERE entitlement.id = $2
      AND entitlement.starts_at <= $5::timestamptz
      AND $5::timestamptz < entitlement.ends_at
      AND entitlement.revoked_at IS NULL
      AND entitlement.suspended_at IS NULL
      AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = entitlement.release)
    FOR SHARE OF licence, entitlement
) AS valid;

-- name: is_recorded
-- Whether a download of the entitlement $1 in the format $2 was recorded since $3.
SELECT EXISTS (SELECT FROM download WHERE entitlement = $1 AND format = $2 AND at > $3::timestamptz);

-- name: holds_release
-- Whether the partner $1 may fetch the release $2 itself, not a coarser edition of it, at the instant $3.
SELECT EXISTS (
    SELECT
    FROM entitlement
    JOIN licence ON licence.id = entitlement.licence
    JOIN quote ON quote.id = licence.quote
    WHERE entitlement.release = $2
      AND entitlement.partner = $1
      AND quote.level = 0
      AND entitlement.starts_at <= $3
      AND $3 < entitlement.ends_at
      AND entitlement.revoked_at IS NULL
      AND entitlement.suspended_at IS NULL
      AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = entitlement.release)
);

-- name: list_unreported_ends
-- Entitlements that end between $1 and $2 and whose partners were not notified; $3 rows.
SELECT entitlement.id, entitlement.partner, purchase_order.id AS purchase_order, purchase_order.number
FROM entitlement
JOIN licence ON licence.id = entitlement.licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order
WHERE entitlement.ends_at > $1
  AND entitlement.ends_at <= $2
  AND entitlement.revoked_at IS NULL
  AND NOT EXISTS (SELECT FROM message WHERE kind = 'licence_ending' AND source_id = entitlement.id::text)
ORDER BY entitlement.ends_at, entitlement.id
LIMIT $3;
