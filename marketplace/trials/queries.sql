-- name: find_tryable
-- The latest sealed release of the dataset $1 that ended before $2, was not called back, and is not of the last period.
SELECT release.id AS release, release.period_from, release.period_to
FROM release
WHERE release.dataset = $1
  AND release.state = 'sealed'
  AND release.period_to < $2
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
-- Trials of a release that had not ended four weeks before.
SELECT trial.id, trial.release
FROM trial
JOIN release ON release.id = trial.release
WHERE release.period_to > trial.began_at - interval '28 days';

-- name: describe_company
-- The company of the partner $1, with the domains of its people's confirmed addresses.
SELECT partner.id, partner.company, partner.country, partner.vat_number,
    array_remove(array_agg(DISTINCT split_part(person.email, '@', 2)), NULL) AS domains
FROM partner
LEFT JOIN person ON person.partner = partner.id AND person.email_confirmed_at IS NOT NULL
WHERE partner.id = $1
GROUP BY partner.id;

-- name: list_tried
-- The companies that have or had a trial, but for those that another VAT number than $1 tells apart.
SELECT partner.id, partner.company, partner.country, partner.vat_number,
    array_remove(array_agg(DISTINCT split_part(person.email, '@', 2)), NULL) AS domains
FROM trial
JOIN partner ON partner.id = trial.partner
LEFT JOIN person ON person.partner = partner.id AND person.email_confirmed_at IS NOT NULL
WHERE $1 = '' OR partner.vat_number = '' OR right(partner.vat_number, 9) = right($1, 9)
GROUP BY partner.id
ORDER BY min(trial.began_at);

-- name: is_allowed
-- Whether the trail has a line of the verb $2 about the partner $1.
SELECT EXISTS (SELECT FROM staff_action WHERE subject = $1 AND verb = $2);
