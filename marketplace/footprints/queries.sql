-- name: list_promised
-- What a licence of each of the datasets $1 may cost in promises to contributors at $2: the most of all that lie
-- with it and whose cells compare, and its own. $3: as `comparable_datasets` has it. What has no box may lie anywhere,
-- and leads further by the zones that it declares alone.
WITH RECURSIVE promised AS (
    SELECT dataset, sum(promised_minor)::bigint AS promised_minor
    FROM contributor_term
    WHERE starts_at <= $2 AND $2 < ends_at
    GROUP BY dataset
),
alike AS MATERIALIZED (
    SELECT promised.dataset AS promised, other.code AS dataset, dataset.zones, west, south, east, north
    FROM promised
    CROSS JOIN LATERAL comparable_datasets(promised.dataset, $3) AS other (code)
    JOIN dataset ON dataset.code = other.code
    LEFT JOIN footprint ON footprint.dataset = other.code
),
together AS (
    SELECT dataset AS promised, dataset
    FROM promised
    UNION
    SELECT here.promised, there.dataset
    FROM together
    JOIN alike AS here USING (promised, dataset)
    JOIN alike AS there
        ON there.promised = here.promised
        AND (there.west IS NULL
             OR here.west IS NULL AND here.dataset = here.promised
             OR here.zones && there.zones
             OR box(point(there.east, there.north), point(there.west, there.south))
                && box(point(here.east, here.north), point(here.west, here.south)))
)
SELECT
    together.dataset,
    max(promised.promised_minor) AS promised_minor,
    coalesce(max(own.promised_minor), 0) AS own_minor
FROM together
JOIN promised ON promised.dataset = together.promised
LEFT JOIN promised AS own ON own.dataset = together.dataset
WHERE together.dataset = ANY($1)
GROUP BY together.dataset;
