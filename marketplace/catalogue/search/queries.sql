-- name: find_news
-- How many changes have no updated card, counted up to $1, and the latest version of any card.
SELECT
    (SELECT count(*) FROM (SELECT id FROM dataset_change ORDER BY id DESC LIMIT $1) AS latest) AS unseen,
    coalesce((SELECT version FROM search_card ORDER BY version DESC LIMIT 1), 0) AS version;

-- name: list_old_cards
-- At most $2 datasets for sale whose card was updated before $1, the oldest first: prices fall with age.
SELECT dataset
FROM search_card
WHERE is_listed
  AND looked_at < $1
ORDER BY looked_at, dataset
LIMIT $2;

-- name: describe_datasets
-- The searchable properties of the datasets $1, with the stems of both languages; without a release nothing can be
-- bought.
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
-- Each word of $1 with its stems in both languages; a stop word has no stem.
SELECT word, stems, cardinality(stems) < 2 AS is_common
FROM unnest($1::text[]) AS given (word), stems_of(word) AS stems;

-- name: count_listed
-- How many datasets for sale match each search $1 of the full text.
SELECT (SELECT count(*) FROM search_card WHERE is_listed AND words @@ asked::tsquery) AS listed
FROM unnest($1::text[]) WITH ORDINALITY AS given (asked, place)
ORDER BY place;

-- name: list_alike
-- The $2 words that share the most trigrams with the word $1.
SELECT word
FROM search_trigram
WHERE trigram IN (SELECT trigrams_of($1))
GROUP BY word
ORDER BY count(*) DESC, word
LIMIT $2;

-- name: write_cards
-- Writes a card for each dataset $1[i] at $15: $2 listed, $3 words, separated by blanks, $4 area, $5 indicator, $6
-- zones, $7 grain, $8 cadence, $9 to $11 bands of price and coverage and month, $12 price in cents, $13 coverage in
-- basis points, $14 end of its latest period. The trigrams of new words are stored, except of short ones and those with
-- digits.
WITH given AS (
    SELECT *
    FROM unnest(
        $1::text[], $2::boolean[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
        $10::text[], $11::text[], $12::bigint[], $13::integer[], $14::timestamptz[]
    ) AS given (
        dataset, is_listed, words, area, indicator, zones, grain, cadence, price, coverage, latest, price_minor,
        coverage_basis_points, period_to
    )
),
noted AS (
    INSERT INTO search_trigram (word, trigram)
    SELECT word, trigrams_of(word)
    FROM (SELECT DISTINCT unnest(string_to_array(words, ' ')) AS word FROM given) AS used
    WHERE length(word) > 2
      AND word !~ '\d'
      AND NOT EXISTS (SELECT FROM search_trigram AS known WHERE known.word = used.word)
)
INSERT INTO search_card
    (dataset, is_listed, words, area, indicator, zones, grain, cadence, price, coverage, latest, price_minor,
     coverage_basis_points, period_to, version, looked_at)
SELECT
    dataset, is_listed,
    (
        SELECT array_to_tsvector(array_agg(word) || array_agg(stem) FILTER (WHERE stem IS NOT NULL))
        FROM unnest(string_to_array(words, ' ')) AS word
        LEFT JOIN LATERAL unnest(stems_of(word)) AS stem ON true
    ),
    area, indicator, zones, grain, cadence, price, coverage, latest, price_minor, coverage_basis_points, period_to,
    nextval('search_version'), $15
FROM given
ON CONFLICT (dataset) DO UPDATE
SET
    is_listed = excluded.is_listed,
    words = excluded.words,
    area = excluded.area,
    indicator = excluded.indicator,
    zones = excluded.zones,
    grain = excluded.grain,
    cadence = excluded.cadence,
    price = excluded.price,
    coverage = excluded.coverage,
    latest = excluded.latest,
    price_minor = excluded.price_minor,
    coverage_basis_points = excluded.coverage_basis_points,
    period_to = excluded.period_to,
    version = excluded.version,
    looked_at = excluded.looked_at;

-- name: note_matches
-- Records at $3 that the latest releases of the datasets $2 match the saved search $1, and returns the new matches.
INSERT INTO search_match (id, saved_search, release, matched_at)
SELECT gen_random_uuid(), $1, latest.id, $3
FROM unnest($2::text[]) AS given (dataset)
JOIN LATERAL latest_release(given.dataset) AS latest ON true
ON CONFLICT (saved_search, release) DO NOTHING
RETURNING release;
