-- name: list_uses
-- The licences $1: the release, the buyer's sector, the purpose, about how many people, and how many over all cells.
SELECT
    licence.id AS licence,
    licence.release,
    coalesce(partner_sector.sector, '') AS sector,
    purpose.title_fr AS purpose_fr,
    purpose.title_en AS purpose_en,
    release.consenting,
    release.published_people
FROM licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order
LEFT JOIN partner_sector ON partner_sector.partner = purchase_order.partner
JOIN release ON release.id = licence.release
JOIN dataset ON dataset.code = release.dataset
JOIN purpose ON purpose.code = dataset.purpose
WHERE licence.id = ANY ($1);

-- name: list_releases_of
-- The sold releases of the numbers $1 whose period overlaps [$2, $3) and ends after $4, the latest first.
SELECT dataset.title_fr, dataset.title_en, dataset.time_zone, release.period_from, release.period_to
FROM sold_release
JOIN release ON release.id = sold_release.release
JOIN dataset ON dataset.code = release.dataset
WHERE sold_release.number = ANY ($1) AND release.period_from < $3 AND release.period_to > $2
  AND release.period_to > $4
ORDER BY release.period_from DESC, dataset.code
LIMIT 100;

-- name: list_trials
-- The trials of the releases of the numbers $1 whose period ends after $2, the latest first: the month in which each
-- began, and the partner's sector.
SELECT
    dataset.title_fr,
    dataset.title_en,
    dataset.time_zone,
    release.period_from,
    release.period_to,
    date_trunc('month', trial.began_at AT TIME ZONE 'Europe/Paris')::date AS month,
    coalesce(partner_sector.sector, '') AS sector
FROM trial
JOIN sold_release ON sold_release.release = trial.release
JOIN release ON release.id = trial.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN partner_sector ON partner_sector.partner = trial.partner
WHERE sold_release.number = ANY ($1) AND release.period_to > $2
ORDER BY month DESC, dataset.code, sector
LIMIT 100;

-- name: list_time_zones
-- The time zones of all datasets' days.
SELECT DISTINCT time_zone FROM dataset;

-- name: list_places
-- The zones that datasets of the purpose $1 count, with their table and their resolution.
SELECT DISTINCT zone_table, h3_resolution, time_zone, unnest(zones) AS zone
FROM dataset
WHERE purpose = $1
ORDER BY zone
LIMIT 2000;

-- name: list_maps_to_make
-- The maps that were requested after $1 and are not made yet, and since when the line is theirs, if it was another's:
-- only each person's latest request, so that nobody waits for a person with a thousand requests.
SELECT
    last.id, last.subscriber, last.public_key,
    CASE WHEN subscriber.erased_at IS NULL THEN 'epoch' ELSE greatest(subscriber.erased_at, claimed_at) END AS since
FROM (
    SELECT DISTINCT ON (person) id, subscriber, public_key, asked_at
    FROM own_map
    WHERE sealed IS NULL AND asked_at > $1
    ORDER BY person, asked_at DESC
) AS last
JOIN subscriber ON subscriber.reference = last.subscriber
ORDER BY last.asked_at
LIMIT 20;
