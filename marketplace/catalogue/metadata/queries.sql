-- name: count_on_sale
-- How many datasets are on sale.
SELECT count(*) FROM offer WHERE withdrawn_at IS NULL;

-- name: list_on_sale
-- The datasets on sale with when their latest release was published, by code; $1 rows, $2 rows to skip.
SELECT offer.dataset AS code, max(release.sealed_at) AS sealed_at
FROM offer
JOIN release ON release.dataset = offer.dataset AND release.state = 'sealed'
WHERE offer.withdrawn_at IS NULL
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
GROUP BY offer.dataset
ORDER BY offer.dataset
LIMIT $1
OFFSET $2;

-- name: describe
-- The datasets $1 that are on sale, each with its licence terms, its purpose, and its latest release.
SELECT
    licence_terms.lines_fr,
    licence_terms.lines_en,
    dataset.sectors,
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.description_fr,
    dataset.description_en,
    dataset.area,
    dataset.product,
    dataset.cadence,
    purpose.dpv,
    offer.terms,
    offer.listed_at,
    latest.period_from,
    latest.period_to,
    latest.sealed_at
FROM offer
JOIN dataset ON dataset.code = offer.dataset
JOIN purpose ON purpose.code = dataset.purpose
JOIN licence_terms ON licence_terms.code = offer.terms
JOIN LATERAL latest_release(dataset.code) AS latest ON true
WHERE offer.withdrawn_at IS NULL
  AND dataset.code = ANY($1);
