-- name: list_datasets
-- Datasets with their purpose's titles, how many of their releases are sealed and refused, and the end of the latest
-- sealed period, by code; $1 rows from row $2 on.
SELECT
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.grain,
    dataset.epsilon_micro,
    dataset.budget_micro,
    dataset.spent_micro,
    purpose.title_fr AS purpose_fr,
    purpose.title_en AS purpose_en,
    count(release.id) FILTER (WHERE release.state = 'sealed') AS sealed,
    count(release.id) FILTER (WHERE release.state = 'refused') AS refused,
    max(release.period_to) FILTER (WHERE release.state = 'sealed') AS latest
FROM dataset
JOIN purpose ON purpose.code = dataset.purpose
LEFT JOIN release ON release.dataset = dataset.code
GROUP BY dataset.code, purpose.code
ORDER BY dataset.code
LIMIT $1 OFFSET $2;

-- name: list_notices
-- The notices of its purpose that were in force at the start of the release $1, by version.
SELECT notice.id, notice.purpose, notice.version, notice.text_fr, notice.text_en
FROM release_notice
JOIN notice ON notice.id = release_notice.notice
WHERE release_notice.release = $1
ORDER BY notice.version;

-- name: last_recorded_at
-- The last instant that a build or seal of any release, or a consent record of purpose $1, was recorded at, or at which
-- a notice of the purpose asked for consent again; null: none.
SELECT greatest(
    (SELECT max(greatest(started_at, sealed_at)) FROM release),
    (SELECT max(at) FROM consent_record WHERE purpose = $1),
    (SELECT max(published_at) FROM notice WHERE purpose = $1 AND asks_anew)
);

-- fragment: with_budget
-- Datasets of cadence $1 and time zone $7 that can pay for one more release, and have no release of the half-open
-- period from $2 to $3.
FROM dataset
WHERE cadence = $1
  AND time_zone = $7
  AND spent_micro + epsilon_micro <= budget_micro
  AND NOT EXISTS (
      SELECT FROM release WHERE release.dataset = code AND release.period_from = $2 AND release.period_to = $3
  )

-- name: request_scheduled_builds
-- Ask by $4 at $5 for the period from $2 to $3 of every dataset of cadence $1 and time zone $7 that can pay for it,
-- that has no release of it, and whose last request for it is neither open nor was started after $6.
INSERT INTO build_request (id, dataset, period_from, period_to, publish, asked_by, asked_at)
SELECT gen_random_uuid(), code, $2, $3, true, $4, $5
{with_budget}
  AND NOT EXISTS (
      SELECT FROM build_request AS asked
      WHERE asked.dataset = code
        AND asked.period_from = $2
        AND asked.period_to = $3
        AND (asked.ended_at IS NULL OR (asked.started_at IS NOT NULL AND asked.asked_at > $6))
  )
ON CONFLICT DO NOTHING;

-- name: record_late_periods
-- Write the refusal $6 by $4 at $5 for the period from $2 to $3 of every dataset of cadence $1 and time zone $7 that
-- can pay for it and has neither a release nor a request of it.
INSERT INTO build_request (id, dataset, period_from, period_to, publish, asked_by, asked_at, ended_at, refusal)
SELECT gen_random_uuid(), code, $2, $3, true, $4, $5, $5, $6
{with_budget}
  AND NOT EXISTS (
      SELECT FROM build_request AS asked
      WHERE asked.dataset = code AND asked.period_from = $2 AND asked.period_to = $3
  );

-- name: list_losses
-- What releases with an instant in [$1, $2), refused and blocked ones included, and calls that close in it cost a unit.
SELECT
    release.period_from,
    release.period_to,
    dataset.time_zone,
    dataset.unit,
    dataset.mechanism,
    release.rho_nano,
    release.epsilon_micro
FROM release
JOIN dataset ON dataset.code = release.dataset
WHERE release.period_to > $1
  AND release.period_from < $2
  AND release.rho_nano > 0
UNION ALL
SELECT called_at, called_at + interval '1 microsecond', 'UTC', 'release', 'laplace', rho_nano, epsilon_micro
FROM privacy_spend
WHERE called_at >= $1
  AND called_at < $2;

-- name: list_latest_losses
-- The latest release of each dataset that is built automatically, with its cadence.
SELECT DISTINCT ON (release.dataset)
    release.period_from,
    release.period_to,
    dataset.time_zone,
    dataset.unit,
    dataset.mechanism,
    release.rho_nano,
    release.epsilon_micro,
    dataset.cadence
FROM release
JOIN dataset ON dataset.code = release.dataset
WHERE dataset.cadence <> ''
  AND release.rho_nano > 0
ORDER BY release.dataset, release.period_to DESC;

-- name: find_last_noised
-- The last release of purpose $1 whose consent was noised and paid for, sealed or not; of dataset $2, if it has one.
SELECT
    release.id AS release,
    release.dataset,
    release.period_from,
    release.period_to,
    release.consenting,
    release.population,
    release.published_people
FROM release
JOIN dataset ON dataset.code = release.dataset
WHERE dataset.purpose = $1
  AND release.state <> 'spent'
  AND release.population > 0
ORDER BY (release.dataset = $2) DESC, release.started_at DESC
LIMIT 1;

-- name: find_last_published
-- How many people the last release of dataset $1 published, noised; 0 where it published no cell at all.
SELECT release.period_from, release.period_to, release.published_people
FROM release
WHERE release.dataset = $1
  AND release.state <> 'spent'
  AND release.key_count > 0
ORDER BY release.started_at DESC
LIMIT 1;

-- name: list_unpublished
-- The builds that wait to be published, of periods that end after $1, the latest first.
SELECT release.id, dataset.purpose, dataset.title_fr, dataset.title_en, release.started_at
FROM release
JOIN dataset ON dataset.code = release.dataset
WHERE release.state IN ('noised', 'assessed')
  AND release.period_to > $1
ORDER BY release.started_at DESC
LIMIT 20;

-- name: claim_changes
-- Deletes the records of at most $1 changed datasets, and returns the datasets.
WITH claimed AS (
    SELECT DISTINCT dataset
    FROM (SELECT dataset FROM dataset_change ORDER BY id LIMIT $1) AS first
)
DELETE FROM dataset_change
WHERE dataset IN (SELECT claimed.dataset FROM claimed)
RETURNING dataset;

-- name: assess_release
-- Records the release gate's decision on the release $1, which has its noise and was not assessed yet: its state $2,
-- why it is refused $3, its inputs $4, and its published cells by day, zone and figure ($5 to $8, from `spread`).
UPDATE release
SET state = $2, refusal = $3, inputs = $4, hours_by_day = $5, published_by_day = $6, published_by_zone = $7,
    published_by_figure = $8
WHERE id = $1 AND state = 'noised';
