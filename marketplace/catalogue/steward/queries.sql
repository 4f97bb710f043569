-- fragment: shelf
-- Every dataset with its offer, if it has one, its latest sealed release that was not recalled, and the day of a
-- planned change of its offer.
SELECT
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.time_zone,
    offer.id AS offer,
    offer.terms,
    offer.full_worth_minor,
    offer.worth_days,
    offer.floor_minor,
    offer.cap_minor,
    offer.listed_at,
    offer.withdrawn_at,
    latest.id AS release,
    latest.period_from,
    latest.period_to,
    (
        SELECT min(offer_change.starts_at)
        FROM offer_change
        WHERE offer_change.dataset = dataset.code AND offer_change.outcome = ''
    ) AS changes_at
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
