-- name: list_promised
-- What a licence of each of the datasets $1 may cost in promises to contributors at $2: the most of all that lie
-- with it and whose cells compare. $3: as `comparable_datasets` has it. What has no box may lie anywhere.
WITH RECURSIVE promised AS (
    SELECT dataset, sum(promised_minor)::bigint AS promised_minor
    FROM contributor_term
    WHERE starts_at <= $2 AND $2 < ends_at
    GROUP BY dataset
),
alike AS MATERIALIZED (
    SELECT promised.dataset AS promised, footprint.*
    FROM promised
    CROSS JOIN LATERAL comparable_datasets(promised.dataset, $3) AS other (code)
    JOIN footprint ON footprint.dataset = other.code
),
together AS (
    SELECT dataset AS promised, dataset
    FROM promised
    UNION
    SELECT there.promised, there.dataset
    FROM together
    JOIN footprint AS here ON here.dataset = together.dataset
    JOIN alike AS there
        ON there.promised = together.promised
        AND (num_nulls(here.west, there.west) > 0
             OR box(point(there.east, there.north), point(there.west, there.south))
                && box(point(here.east, here.north), point(here.west, here.south)))
)
SELECT together.dataset, max(promised_minor) AS promised_minor
FROM together
JOIN promised ON promised.dataset = together.promised
WHERE together.dataset = ANY($1)
GROUP BY together.dataset;
