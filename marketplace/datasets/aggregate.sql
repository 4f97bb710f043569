-- The bounded aggregation, once. DuckDB's dialect, whole numbers of 64 bits only, nothing that sqlglot cannot carry elsewhere.
--
-- Reads   specification  one row: period, start of the build and step in microseconds, the two bounds, the seven keys of the hash
--         consent        subscriber_id, valid_from_us, valid_to_us: merged half-open intervals
--         subscriber     subscriber_id (once each), segment
--         event          subscriber_id, at_us, latitude, longitude, kind
--         key_zone       zone: the zones of the public key set
--         zone_of        the function from a place to its zone
-- Writes  contribution   what each person counts in, after bounding: never leaves the build
--         cell           the true, bounded aggregate: never leaves the build
--
-- A person's rows decide that person's contribution alone: no window, rank or limit looks across people. Removing one
-- person therefore changes at most max_cells cells, each by one person and at most max_events events.

CREATE TABLE contribution AS
WITH
-- Events of the period whose instant lies in the consent that stands at the build's start; exact duplicates count once.
covered AS (
    SELECT DISTINCT event.subscriber_id, event.at_us, event.latitude, event.longitude, event.kind
    FROM event
    CROSS JOIN specification AS s
    INNER JOIN consent
        ON consent.subscriber_id = event.subscriber_id
        AND consent.valid_from_us <= event.at_us AND event.at_us < consent.valid_to_us
        AND consent.valid_from_us <= s.started_us AND s.started_us < consent.valid_to_us
    WHERE s.period_from_us <= event.at_us AND event.at_us < s.period_to_us
),
place AS (
    SELECT latitude, longitude, zone_of(latitude, longitude) AS zone
    FROM (SELECT DISTINCT latitude, longitude FROM covered) AS distinct_place
),
counted AS (
    SELECT
        covered.subscriber_id, place.zone, subscriber.segment,
        covered.at_us - (covered.at_us - s.period_from_us) % s.step_us AS starts_at_us,
        COUNT(*) AS events
    FROM covered
    CROSS JOIN specification AS s
    INNER JOIN place ON place.latitude = covered.latitude AND place.longitude = covered.longitude
    INNER JOIN key_zone ON key_zone.zone = place.zone
    INNER JOIN subscriber ON subscriber.subscriber_id = covered.subscriber_id
    GROUP BY 1, 2, 3, 4
),
-- A keyed hash in plain arithmetic, the same in every engine; no factor reaches 2^31, so no product reaches 2^62.
mixed AS (
    SELECT
        counted.subscriber_id, counted.zone, counted.segment, counted.starts_at_us, counted.events,
        (
            counted.subscriber_id % 2147483647 * s.key_1 % 2147483647
            + counted.zone % 2147483647 * s.key_2 % 2147483647
            + (counted.starts_at_us - s.period_from_us) % 2147483647 * s.key_3 % 2147483647
            + s.key_0
        ) % 2147483647 AS x
    FROM counted
    CROSS JOIN specification AS s
),
hashed AS (
    SELECT
        mixed.subscriber_id, mixed.zone, mixed.segment, mixed.starts_at_us, mixed.events,
        (((mixed.x * s.key_4 + s.key_5) % 2147483647 * mixed.x + s.key_6) % 2147483647 * mixed.x + s.key_0) % 2147483647 AS u
    FROM mixed
    CROSS JOIN specification AS s
),
-- Ties of the hash are broken by the cell itself, so that the same input always chooses the same cells.
ranked AS (
    SELECT
        hashed.subscriber_id, hashed.zone, hashed.segment, hashed.starts_at_us, hashed.events,
        ROW_NUMBER() OVER (PARTITION BY hashed.subscriber_id ORDER BY hashed.u, hashed.zone, hashed.starts_at_us) AS place_in_line
    FROM hashed
)
SELECT
    ranked.subscriber_id, ranked.zone, ranked.starts_at_us, ranked.segment,
    LEAST(ranked.events, s.max_events) AS events
FROM ranked
CROSS JOIN specification AS s
WHERE ranked.place_in_line <= s.max_cells;

CREATE TABLE cell AS
SELECT zone, starts_at_us, segment, COUNT(*) AS people, CAST(SUM(events) AS BIGINT) AS events
FROM contribution
GROUP BY zone, starts_at_us, segment;
