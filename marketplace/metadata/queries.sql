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
