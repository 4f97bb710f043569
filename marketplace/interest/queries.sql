-- name: add_looks
-- Add looks $3 and questions $4 of the datasets $1 on the days $2; a dataset that there is not is left out.
INSERT INTO listing_day (dataset, day, seen, previewed)
SELECT dataset.code, looks.day, looks.seen, looks.previewed
FROM unnest($1::text[], $2::date[], $3::integer[], $4::integer[]) AS looks (dataset, day, seen, previewed)
JOIN dataset ON dataset.code = looks.dataset
ORDER BY dataset.code, looks.day
ON CONFLICT (dataset, day) DO UPDATE
SET seen = listing_day.seen + excluded.seen, previewed = listing_day.previewed + excluded.previewed;

-- name: list_interest
-- Of each dataset, looks and questions on the UTC days from $1 to $2, and prices asked for from $3 until $4.
WITH looked AS (
    SELECT dataset, sum(seen)::bigint AS seen, sum(previewed)::bigint AS previewed
    FROM listing_day
    WHERE day BETWEEN $1 AND $2
    GROUP BY dataset
), quoted AS (
    SELECT release.dataset, count(*) AS quoted
    FROM quote
    JOIN release ON release.id = quote.release
    WHERE quote.auction IS NULL AND quoted_at >= $3 AND quoted_at < $4
    GROUP BY release.dataset
)
SELECT
    dataset.code,
    title_fr,
    title_en,
    coalesce(seen, 0)::bigint AS seen,
    coalesce(previewed, 0)::bigint AS previewed,
    coalesce(quoted, 0)::bigint AS quoted
FROM dataset
LEFT JOIN looked ON looked.dataset = dataset.code
LEFT JOIN quoted ON quoted.dataset = dataset.code
ORDER BY seen DESC, dataset.code;

-- name: list_reasons
-- How often each reason was given for each dataset, of prices asked from $1 until $2.
SELECT release.dataset AS code, reason, count(*) AS times
FROM not_bought
JOIN quote ON quote.id = not_bought.quote
JOIN release ON release.id = quote.release
WHERE quoted_at >= $1 AND quoted_at < $2
GROUP BY release.dataset, reason
ORDER BY times DESC, reason;
