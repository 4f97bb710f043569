-- fragment: shelf
-- Every dataset with its offer, if it has one, and its latest sealed release that was not recalled.
SELECT
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.time_zone,
    offer.id AS offer,
    offer.terms,
    offer.sheet,
    offer.listed_at,
    offer.withdrawn_at,
    latest.id AS release,
    latest.period_from,
    latest.period_to
FROM dataset
LEFT JOIN offer ON offer.dataset = dataset.code
LEFT JOIN LATERAL latest_release(dataset.code) AS latest ON true

-- name: list_shelf
-- Every dataset for the shop, by code; $1 rows from row $2 on.
{shelf}
ORDER BY dataset.code
LIMIT $1
OFFSET $2;

-- name: find_shelf
-- The dataset $1 for the shop.
{shelf}
WHERE dataset.code = $1;

-- name: list_terms
-- Every version of licence terms, by code, with its number of offers.
SELECT
    licence_terms.code,
    licence_terms.lines_fr,
    licence_terms.lines_en,
    licence_terms.months,
    licence_terms.usage_right,
    licence_terms.purposes,
    licence_terms.countries,
    (
        SELECT count(*)
        FROM offer
        WHERE offer.terms = licence_terms.code AND offer.withdrawn_at IS NULL
    ) AS offers
FROM licence_terms
ORDER BY licence_terms.code;

-- name: list_markets
-- Every market at the instant $1, by code: its version in force, and the datasets that are on sale on its sheet.
SELECT
    price_sheet.code,
    price_sheet.title_fr,
    price_sheet.title_en,
    price_sheet.product,
    price_sheet.grain,
    price_sheet.zone_table,
    price_sheet.h3_resolution,
    price_sheet.currency,
    stated.number,
    stated.starts_at,
    ARRAY(
        SELECT offer.dataset
        FROM offer
        WHERE offer.sheet = price_sheet.code AND offer.withdrawn_at IS NULL
        ORDER BY offer.dataset
    ) AS on_sale
FROM price_sheet
LEFT JOIN LATERAL (
    SELECT sheet_version.number, sheet_version.starts_at
    FROM sheet_version
    WHERE sheet_version.sheet = price_sheet.code AND sheet_version.starts_at <= $1
    ORDER BY sheet_version.starts_at DESC, sheet_version.number DESC
    LIMIT 1
) AS stated ON true
ORDER BY price_sheet.code;

-- name: list_countable
-- The datasets that count the same figures as the market $1, over the same kind of zones, by code.
SELECT dataset.code, dataset.title_fr, dataset.title_en, dataset.age_bands
FROM price_sheet
JOIN dataset
  ON dataset.product = price_sheet.product
  AND dataset.grain = price_sheet.grain
  AND dataset.h3_resolution = price_sheet.h3_resolution
  AND dataset.zone_table IS NOT DISTINCT FROM price_sheet.zone_table
WHERE price_sheet.code = $1
ORDER BY dataset.code;

-- name: list_every_dataset
-- Every dataset, by code.
SELECT dataset.code, dataset.title_fr, dataset.title_en, dataset.age_bands
FROM dataset
ORDER BY dataset.code;

-- name: list_without_market
-- The datasets whose figures no market counts, by code.
SELECT dataset.code, dataset.title_fr, dataset.title_en, dataset.age_bands
FROM dataset
WHERE NOT EXISTS (
    SELECT
    FROM price_sheet
    WHERE price_sheet.product = dataset.product
      AND price_sheet.grain = dataset.grain
      AND price_sheet.h3_resolution = dataset.h3_resolution
      AND price_sheet.zone_table IS NOT DISTINCT FROM dataset.zone_table
)
ORDER BY dataset.code;

-- name: list_people_by_area
-- How many people live in each area of the datasets $1, as the latest published release of each says.
SELECT coverage.name, max(coverage.population)::bigint AS people
FROM unnest($1::text[]) AS wanted (code)
JOIN LATERAL latest_release(wanted.code) AS latest ON true
JOIN coverage ON coverage.release = latest.id AND coverage.kind = 'area' AND coverage.population > 0
GROUP BY coverage.name;

-- name: get_most_promised
-- The most, in cents, that any licence sold from the instant $1 on owes contributors by promises.
SELECT coalesce(max(promised), 0)::bigint
FROM (
    SELECT sum(promised_minor) AS promised
    FROM contributor_term
    WHERE ends_at > $1
    GROUP BY contributor_term.dataset
) AS owed;
