-- fragment: credential_columns
-- A credential. open: it has not ended, is not revoked, and its maker has not left.
SELECT
    sharing_credential.id,
    sharing_credential.partner,
    sharing_credential.owner,
    sharing_credential.kind,
    sharing_credential.label,
    sharing_credential.secret_hash,
    sharing_credential.public_key,
    sharing_credential.created_at,
    sharing_credential.ends_at,
    sharing_credential.last_used_at,
    sharing_credential.revoked_at IS NULL AND person.id IS NOT NULL AND person.ended_at IS NULL AS is_open,
    person.name AS owner_name
FROM sharing_credential
LEFT JOIN person ON person.id = sharing_credential.owner

-- name: list_credentials
-- The credentials of the partner $1, the latest first; $2 rows.
{credential_columns}
WHERE sharing_credential.partner = $1
ORDER BY sharing_credential.created_at DESC, sharing_credential.id
LIMIT $2;

-- name: find_by_secret
-- The credential whose secret has the SHA-256 $1.
{credential_columns}
WHERE sharing_credential.secret_hash = $1;

-- name: find_by_id
-- The credential $1.
{credential_columns}
WHERE sharing_credential.id = $1;

-- name: note_use
-- Notes the use of the credential $1 at $2, unless a use since $3 is noted.
UPDATE sharing_credential
SET last_used_at = $2
WHERE id = $1
  AND (last_used_at IS NULL OR last_used_at < $3);

-- name: list_shared
-- Every entitlement of the partner $1 that has begun by $2, also ended and revoked ones, by their beginnings.
SELECT
    entitlement.id,
    release.dataset,
    quote.level,
    entitlement.release,
    release.revision,
    release.period_from,
    release.period_to,
    entitlement.starts_at,
    entitlement.ends_at,
    entitlement.revoked_at,
    revocation.revoked_at AS recalled_at,
    entitlement.suspended_at,
    coalesce(edition.cells_sha256, release.cells_sha256) AS cells_sha256,
    coalesce(edition.row_count, release.row_count) AS row_count
FROM entitlement
JOIN release ON release.id = entitlement.release
JOIN licence ON licence.id = entitlement.licence
JOIN quote ON quote.id = licence.quote
LEFT JOIN edition ON edition.release = release.id AND edition.level = quote.level
LEFT JOIN revocation ON revocation.release = release.id
WHERE entitlement.partner = $1
  AND entitlement.starts_at <= $2
ORDER BY entitlement.starts_at, entitlement.id;
