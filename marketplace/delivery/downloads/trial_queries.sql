-- name: find_tryable
-- The latest sealed release of the dataset $1 that ended two half-lives of the sheet $2 before $3. It was not recalled,
-- and is not of the last period.
SELECT release.id AS release, release.period_from, release.period_to
FROM release
WHERE release.dataset = $1
  AND release.state = 'sealed'
  AND release.period_to <= $3::timestamptz - (
      SELECT 2 * (terms::json ->> 'half_life_hours')::integer * interval '1 hour'
      FROM sheet_version
      WHERE sheet = $2 AND starts_at <= $3
      ORDER BY starts_at DESC, number DESC
      LIMIT 1
  )
  AND release.period_to < (
      SELECT max(newer.period_to) FROM release AS newer WHERE newer.dataset = $1 AND newer.state = 'sealed'
  )
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
ORDER BY release.period_to DESC, release.revision DESC
LIMIT 1;

-- name: find_trial
-- The trial of the partner $1, as an entitlement to the release itself.
SELECT
    trial.began_at AS starts_at,
    trial.ends_at,
    NULL::timestamptz AS revoked_at,
    revocation.revoked_at AS recalled_at,
    NULL::timestamptz AS suspended_at,
    false AS is_overdue,
    trial.id,
    trial.id AS purchase_order,
    '' AS number,
    release.dataset,
    trial.release,
    dataset.time_zone,
    release.period_from,
    release.period_to,
    0 AS level,
    release.row_count,
    release.cells_sha256,
    revocation.reason_fr AS recalled_fr,
    revocation.reason_en AS recalled_en,
    release.sealed_at,
    dataset.title_fr,
    dataset.title_en
FROM trial
JOIN release ON release.id = trial.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN revocation ON revocation.release = release.id
WHERE trial.partner = $1;

-- name: list_too_young
-- Trials that began before their release was two half-lives old, by each sheet on which its dataset was offered then.
SELECT trial.id, trial.release
FROM trial
JOIN release ON release.id = trial.release
WHERE NOT EXISTS (
    SELECT
    FROM offer
    JOIN sheet_version AS stated ON stated.sheet = offer.sheet AND stated.starts_at <= trial.began_at
    WHERE offer.dataset = release.dataset
      AND release.period_to
      <= trial.began_at - 2 * (stated.terms::json ->> 'half_life_hours')::integer * interval '1 hour'
      AND NOT EXISTS (
          SELECT
          FROM sheet_version AS newer
          WHERE newer.sheet = stated.sheet
            AND newer.starts_at <= trial.began_at
            AND (newer.starts_at, newer.number) > (stated.starts_at, stated.number)
      )
);

-- name: is_allowed
-- Whether the trail has a line of the verb $2 about the partner $1.
SELECT EXISTS (SELECT FROM staff_action WHERE subject = $1 AND verb = $2);
