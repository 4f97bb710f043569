-- The bounded aggregation, defined once. DuckDB's dialect, whole numbers of 64 bits only, nothing that sqlglot cannot
-- translate for Spark. `reference_sql.py` puts together the parts, each named by a `--:` line. Between `covered` and
-- `dated` it inserts a product's own expressions, which define `counted_in`, the cells a person counts in: see
-- `marketplace/privacy/products`.
--
-- Reads   specification  one row: period, start of the build, usual lengths of a step and of a unit, offset from UTC, the
--                        bounds, the keys of the hash; what `s` says is written into the text before it runs
--         clock          the period's quarters of an hour: number since 1970, the start of its step (hour or day of the key
--                        set), of the step before and of its unit, and the day (since 1970) and hour on the local clock;
--                        read only where they are not even: in a period with one offset from UTC all of that is arithmetic
--         consent        subscriber_id, valid_from_us, valid_to_us: half-open intervals, which may overlap
--         subscriber     subscriber_id (once each), segment, home
--         event          subscriber_id, at_us, place: distinct events, as ingested
--         zone_of        place, zone: the places that lie in a zone of the key set
--         switch         subscriber_id, until_us, scope, home, elsewhere, first_day, last_day: of a line's events before
--                        until_us only those count that the scope allows; a line may have several
--         switch_hour    scope, week_hour: the hours of the local week, from Monday, that the scope allows
--         switch_place   scope, place, is_on: the places that the scope names, and whether what happens there counts
--         counted        zone, starts_at_us, segment: the cells that are published, once they are known
-- Writes  contribution   the cells each person counts in, after bounding: never leaves the build
--         packed         the same, as two numbers: never leaves the build
--         cell           the true, bounded aggregate: never leaves the build
--         total          by time, the zones each person was in: never leaves the build
--         manifest       reference and weight of everyone who counts in a published cell: never leaves the operator
--
-- A person's contribution depends on that person's rows alone: no window, rank or limit spans several people. Removing
-- one person therefore changes at most max_cells cells a unit, each by one person and at most max_events events. If the
-- unit is a day, removing one day of a person changes as many cells of presence, two more of flows, and four of stays:
-- the day's last zone begins the next day's first trip, and a day has the end of one night and the start of another.

--: consented
-- Overlapping consents are one; consents that only touch are two, because a withdrawal lies between them.
ordered_consent AS (
    SELECT
        consent.subscriber_id, consent.valid_from_us, consent.valid_to_us,
        MAX(consent.valid_to_us) OVER (
            PARTITION BY consent.subscriber_id ORDER BY consent.valid_from_us, consent.valid_to_us
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS covered_until_us
    FROM consent
    WHERE consent.valid_from_us < consent.valid_to_us
),
numbered_consent AS (
    SELECT
        ordered_consent.subscriber_id, ordered_consent.valid_from_us, ordered_consent.valid_to_us,
        SUM(CASE WHEN ordered_consent.covered_until_us IS NULL OR ordered_consent.valid_from_us >= ordered_consent.covered_until_us THEN 1 ELSE 0 END) OVER (
            PARTITION BY ordered_consent.subscriber_id ORDER BY ordered_consent.valid_from_us, ordered_consent.valid_to_us
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS island
    FROM ordered_consent
),
merged_consent AS (
    SELECT
        numbered_consent.subscriber_id,
        MIN(numbered_consent.valid_from_us) AS valid_from_us, MAX(numbered_consent.valid_to_us) AS valid_to_us
    FROM numbered_consent
    GROUP BY numbered_consent.subscriber_id, numbered_consent.island
),
-- The interval that contains the build's start, if there is one: a withdrawal removes earlier events too.
current_consent AS (
    SELECT
        merged_consent.subscriber_id, subscriber.segment, subscriber.home,
        GREATEST(merged_consent.valid_from_us, s.period_from_us) AS from_us,
        LEAST(merged_consent.valid_to_us, s.period_to_us) AS to_us
    FROM merged_consent
    CROSS JOIN specification AS s
    INNER JOIN subscriber ON subscriber.subscriber_id = merged_consent.subscriber_id
    WHERE merged_consent.valid_from_us <= s.started_us AND s.started_us < merged_consent.valid_to_us
),
consented AS (
    SELECT
        event.subscriber_id, current_consent.segment, current_consent.home, event.at_us, event.place, zone_of.zone
    FROM event
    INNER JOIN current_consent
        ON current_consent.subscriber_id = event.subscriber_id
        AND current_consent.from_us <= event.at_us AND event.at_us < current_consent.to_us
    INNER JOIN zone_of ON zone_of.place = event.place
),

--: timed_evenly
-- With one offset from UTC, and steps and units of one length each, no join for every event is needed.
timed AS (
    SELECT
        consented.subscriber_id, consented.segment, consented.home, consented.at_us, consented.place, consented.zone,
        consented.at_us - (consented.at_us - s.period_from_us) % s.step_us AS starts_at_us,
        consented.at_us - (consented.at_us - s.period_from_us) % s.step_us - s.step_us AS before_at_us,
        (consented.at_us + s.offset_us) % 86400000000 // 3600000000 AS local_hour,
        (consented.at_us + s.offset_us) // 86400000000 AS local_day
    FROM consented
    CROSS JOIN specification AS s
),

--: timed_by_clock
timed AS (
    SELECT
        consented.subscriber_id, consented.segment, consented.home, consented.at_us, consented.place, consented.zone,
        clock.starts_at_us, clock.before_at_us, clock.local_hour, clock.local_day
    FROM consented
    INNER JOIN clock ON clock.quarter = consented.at_us // 900000000
),

--: unswitched
covered AS (SELECT timed.* FROM timed),

--: switched
-- The events that people's own switches leave out, by time and place. Each event depends on its own line's switches
-- alone.
judged AS (
    SELECT
        timed.subscriber_id, timed.at_us, timed.place, timed.local_day, switch.scope,
        switch.home, switch.elsewhere, switch.first_day, switch.last_day,
        (timed.local_day + 3) % 7 * 24 + timed.local_hour AS week_hour,
        CASE WHEN timed.zone = timed.home THEN 1 ELSE 0 END AS at_home
    FROM timed
    INNER JOIN switch ON switch.subscriber_id = timed.subscriber_id AND timed.at_us < switch.until_us
),
refused AS (
    SELECT DISTINCT judged.subscriber_id, judged.at_us, judged.place
    FROM judged
    LEFT JOIN switch_hour ON switch_hour.scope = judged.scope AND switch_hour.week_hour = judged.week_hour
    LEFT JOIN switch_place ON switch_place.scope = judged.scope AND switch_place.place = judged.place
    WHERE switch_hour.scope IS NULL
        OR judged.local_day < judged.first_day OR judged.local_day > judged.last_day
        OR switch_place.is_on = 0
        OR (judged.at_home = 1 AND judged.home = 0)
        OR (judged.at_home = 0 AND switch_place.scope IS NULL AND judged.elsewhere = 0)
),
covered AS (
    SELECT timed.*
    FROM timed
    LEFT JOIN refused
        ON refused.subscriber_id = timed.subscriber_id AND refused.at_us = timed.at_us
        AND refused.place = timed.place
    WHERE refused.subscriber_id IS NULL
),

--: dated_evenly
dated AS (
    SELECT
        counted_in.subscriber_id, counted_in.zone, counted_in.segment, counted_in.starts_at_us, counted_in.events,
        counted_in.starts_at_us - (counted_in.starts_at_us - s.period_from_us) % s.unit_us AS unit_at_us
    FROM counted_in
    CROSS JOIN specification AS s
),

--: dated_by_clock
dated AS (
    SELECT
        counted_in.subscriber_id, counted_in.zone, counted_in.segment, counted_in.starts_at_us, counted_in.events,
        clock.unit_at_us
    FROM counted_in
    INNER JOIN clock ON clock.quarter = counted_in.starts_at_us // 900000000
),

--: bounded
-- A keyed hash in plain arithmetic, the same in every engine; no factor reaches 2^31, so no product reaches 2^62, nor the
-- sum of two of them 2^63.
mixed AS (
    SELECT
        dated.subscriber_id, dated.zone, dated.segment, dated.starts_at_us, dated.events, dated.unit_at_us,
        (
            (dated.subscriber_id % 2147483647 * s.key_1 + dated.zone % 2147483647 * s.key_2) % 2147483647
            + (dated.starts_at_us - s.period_from_us) % 2147483647 * s.key_3
            + s.key_0
        ) % 2147483647 AS x
    FROM dated
    CROSS JOIN specification AS s
),
hashed AS (
    SELECT
        mixed.subscriber_id, mixed.zone, mixed.segment, mixed.starts_at_us, mixed.events, mixed.unit_at_us,
        (((mixed.x * s.key_4 + s.key_5) % 2147483647 * mixed.x + s.key_6) % 2147483647 * mixed.x + s.key_0) % 2147483647 AS u
    FROM mixed
    CROSS JOIN specification AS s
),
-- Ties of the hash are broken by the cell itself, so that the same input always chooses the same cells.
ranked AS (
    SELECT
        hashed.subscriber_id, hashed.zone, hashed.segment, hashed.starts_at_us, hashed.events,
        ROW_NUMBER() OVER (
            PARTITION BY hashed.subscriber_id, hashed.unit_at_us ORDER BY hashed.u, hashed.zone, hashed.starts_at_us
        ) AS place_in_line
    FROM hashed
)

--: contribution
SELECT
    ranked.subscriber_id, ranked.zone, ranked.starts_at_us, ranked.segment,
    CAST(LEAST(ranked.events, s.max_events) AS BIGINT) AS events
FROM ranked
CROSS JOIN specification AS s
WHERE ranked.place_in_line <= s.max_cells

--: packed
-- A contribution as two numbers, for rows passed on in files. Each part has enough bits for the parts that follow.
SELECT
    contribution.subscriber_id,
    (
        (
            contribution.zone * s.quarter_room + (contribution.starts_at_us - s.period_from_us) // 900000000
        ) * s.segment_room + contribution.segment
    ) * s.events_room + contribution.events AS packed
FROM contribution
CROSS JOIN specification AS s

--: cell
SELECT
    contribution.zone, contribution.starts_at_us, contribution.segment,
    COUNT(*) AS people, CAST(SUM(contribution.events) AS BIGINT) AS events
FROM contribution
GROUP BY contribution.zone, contribution.starts_at_us, contribution.segment

--: total
SELECT visited.starts_at_us, CAST(SUM(LEAST(visited.zones, s.max_zones)) AS BIGINT) AS people
FROM (
    SELECT counted_in.subscriber_id, counted_in.starts_at_us, COUNT(*) AS zones
    FROM counted_in
    GROUP BY counted_in.subscriber_id, counted_in.starts_at_us
) AS visited
CROSS JOIN specification AS s
GROUP BY visited.starts_at_us

--: manifest
SELECT contribution.subscriber_id AS reference, COUNT(*) AS weight
FROM contribution
INNER JOIN counted
    ON counted.zone = contribution.zone AND counted.starts_at_us = contribution.starts_at_us
    AND counted.segment = contribution.segment
GROUP BY contribution.subscriber_id
