-- name: find_news
-- How many changes after the one numbered $1 are not looked at yet, counted to $2, and the latest version of any card:
-- what a process asks before it searches. Changes that were looked at are deleted from the first on, and stay in the
-- table's pages until these are vacuumed: the last changes are sought, and none that is known to be gone. What says
-- which are: the last number that was given to a change, the oldest running transaction, and the next one to begin.
SELECT
    (SELECT count(*) FROM (SELECT id FROM dataset_change WHERE id > $1 ORDER BY id DESC LIMIT $2) AS latest) AS unseen,
    coalesce((SELECT version FROM search_card ORDER BY version DESC LIMIT 1), 0) AS version,
    coalesce(pg_sequence_last_value('dataset_change_id_seq'), 0) AS last_change,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_running,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next_to_begin;

-- name: list_cards
-- At most $2 cards that changed since the version $1, in the order of their changes.
SELECT
    dataset, is_listed, words, stems, area, indicator, zones, grain, cadence, price_minor, coverage_basis_points,
    period_to, version
FROM search_card
WHERE version > $1
ORDER BY version
LIMIT $2;

-- name: list_old_cards
-- At most $2 datasets for sale whose card was looked at before $1, the oldest first: prices fall with age.
SELECT dataset
FROM search_card
WHERE is_listed
  AND looked_at < $1
ORDER BY looked_at, dataset
LIMIT $2;

-- name: describe_datasets
-- What the datasets $1 are found by, with the stems of both languages; no release: nothing of it can be bought.
SELECT
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.description_fr,
    dataset.description_en,
    dataset.area,
    dataset.product AS indicator,
    dataset.zone_table,
    dataset.h3_resolution,
    dataset.grain,
    dataset.cadence,
    offer.id IS NOT NULL AND latest.id IS NOT NULL AS is_listed,
    latest.id AS release,
    latest.period_to,
    latest.consenting,
    latest.population
FROM dataset
LEFT JOIN offer ON offer.dataset = dataset.code AND offer.withdrawn_at IS NULL
LEFT JOIN LATERAL latest_release(dataset.code) AS latest ON true
WHERE dataset.code = ANY($1);

-- name: stem_words
-- Each word of $1 with its stems in both languages; no stem where it is too common to be looked for.
SELECT
    word,
    array_remove(ARRAY[(ts_lexize('french_stem', word))[1], (ts_lexize('english_stem', word))[1]], NULL) AS stems,
    ts_lexize('french_stem', word) = '{}' OR ts_lexize('english_stem', word) = '{}' AS is_common
FROM unnest($1::text[]) AS given (word);

-- name: write_cards
-- Writes a card for each dataset $1[i] as it is now, $13: $2 listed, $3 words, $4 stems, $5 area, $6 indicator,
-- $7 zones, $8 grain, $9 cadence, $10 price in cents, $11 coverage in basis points, $12 end of its latest period.
INSERT INTO search_card
    (dataset, is_listed, words, stems, area, indicator, zones, grain, cadence, price_minor, coverage_basis_points,
     period_to, version, looked_at)
SELECT given.*, nextval('search_version'), $13
FROM unnest(
    $1::text[], $2::boolean[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::bigint[], $11::integer[], $12::timestamptz[]
) AS given
ON CONFLICT (dataset) DO UPDATE
SET
    is_listed = excluded.is_listed,
    words = excluded.words,
    stems = excluded.stems,
    area = excluded.area,
    indicator = excluded.indicator,
    zones = excluded.zones,
    grain = excluded.grain,
    cadence = excluded.cadence,
    price_minor = excluded.price_minor,
    coverage_basis_points = excluded.coverage_basis_points,
    period_to = excluded.period_to,
    version = excluded.version,
    looked_at = excluded.looked_at;

-- name: note_matches
-- Notes at $3 that the latest releases of the datasets $2 match the saved search $1, and returns those that did not.
INSERT INTO search_match (id, saved_search, release, matched_at)
SELECT gen_random_uuid(), $1, latest.id, $3
FROM unnest($2::text[]) AS given (dataset)
JOIN LATERAL latest_release(given.dataset) AS latest ON true
ON CONFLICT (saved_search, release) DO NOTHING
RETURNING release;
