-- name: list_erased_lines
-- The lines whose people erased themselves, the last instant of that, and whether somebody claimed the line since.
SELECT
    reference AS subscriber,
    (extract(epoch FROM erased_at) * 1000000)::bigint AS erased_us,
    claimed_at IS NOT NULL AS is_claimed
FROM subscriber
WHERE erased_at IS NOT NULL
ORDER BY reference;

-- name: list_retracted_lines
-- The retracted intervals of single lines, done or not, in microseconds.
SELECT
    subscriber,
    (extract(epoch FROM starts_at) * 1000000)::bigint AS from_us,
    (extract(epoch FROM ends_at) * 1000000)::bigint AS to_us
FROM retraction
WHERE subscriber IS NOT NULL;

-- name: list_retractions_to_do
-- The retractions whose events are not removed from the event store yet; `subscriber` is null for everyone's.
SELECT
    id,
    subscriber,
    (extract(epoch FROM starts_at) * 1000000)::bigint AS from_us,
    (extract(epoch FROM ends_at) * 1000000)::bigint AS to_us
FROM retraction
WHERE done_at IS NULL
ORDER BY id;

-- name: request_erasures
-- Request by $1 at $2, for the reason $3, all events from $4 until the erasure of every line whose person erased
-- themselves, or of the line $5 alone, unless that was requested already.
INSERT INTO retraction (subscriber, starts_at, ends_at, reason, asked_by, asked_at)
SELECT reference, $4, erased_at, $3, $1, $2
FROM subscriber
WHERE erased_at IS NOT NULL AND ($5::bigint IS NULL OR reference = $5)
  AND NOT EXISTS (SELECT FROM retraction WHERE retraction.subscriber = reference AND ends_at >= erased_at);
