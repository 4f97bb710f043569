-- name: find_places
-- Where the contributions of the subscriber $1 may be: a block of each live segment, as the bytes [begins, ends) of an
-- object, and the sold releases that are in no segment yet. It is one statement, so that no release is missed or found
-- twice while segments are replaced.
SELECT
    contribution_segment.id AS segment,
    part.number AS part,
    part.begins,
    part.ends,
    NULL::uuid AS release,
    NULL::bigint AS sold
FROM contribution_segment
JOIN LATERAL (
    SELECT
        number,
        first_reference,
        coalesce(contribution_part.ends[width_bucket($1::bigint, firsts) - 1], 0) AS begins,
        contribution_part.ends[width_bucket($1::bigint, firsts)] AS ends
    FROM contribution_part
    WHERE contribution_part.segment = contribution_segment.id AND last_reference >= $1
    ORDER BY last_reference
    LIMIT 1
) AS part ON part.first_reference <= $1
WHERE contribution_segment.state = 'live'
UNION ALL
SELECT NULL, NULL, NULL, NULL, release, number
FROM sold_release
WHERE segment IS NULL;

-- name: list_live_segments
-- The live segments with the releases and contributions each has, by level.
SELECT
    contribution_segment.id,
    contribution_segment.level,
    (SELECT count(*) FROM sold_release WHERE sold_release.segment = contribution_segment.id) AS releases,
    (
        SELECT coalesce(sum(pairs), 0)::bigint
        FROM contribution_part
        WHERE contribution_part.segment = contribution_segment.id
    ) AS pairs
FROM contribution_segment
WHERE state = 'live'
ORDER BY level;

-- name: list_not_indexed
-- The sold releases that are in no segment, by number, at most $1.
SELECT sold_release.number, sold_release.release, release.contributors
FROM sold_release
JOIN release ON release.id = sold_release.release
WHERE sold_release.segment IS NULL
ORDER BY sold_release.number
LIMIT $1;

-- name: list_gains
-- The releases of the numbers $1.
SELECT sold_release.number, sold_release.release, release.contributors
FROM sold_release
JOIN release ON release.id = sold_release.release
WHERE sold_release.number = ANY ($1)
ORDER BY sold_release.number;

-- name: number_sold_releases
-- Numbers the releases that were sold or tried and have no number yet, in the order of their first use.
INSERT INTO sold_release (release)
SELECT release
FROM (SELECT release, sold_at AS at FROM licence UNION ALL SELECT release, began_at FROM trial) AS used
WHERE NOT EXISTS (SELECT FROM sold_release WHERE sold_release.release = used.release)
GROUP BY release
ORDER BY min(at), release
ON CONFLICT DO NOTHING;
