-- name: count_previews
-- How often the partner $1 asked after $3 and when first, and how often ever about the release $2; the question $4 is
-- not counted.
SELECT
    count(*) FILTER (WHERE asked_at > $3) AS today,
    min(asked_at) FILTER (WHERE asked_at > $3) AS first_at,
    count(*) FILTER (WHERE release = $2) AS ever
FROM zone_preview
WHERE partner = $1
  AND id <> $4;
