-- fragment: asked
-- A request as its own partner reads it, without the other partners.
SELECT
    data_request.id,
    own.place,
    data_request.product,
    data_request.grain,
    data_request.starts_on,
    data_request.ends_on,
    own.most_minor,
    own.text,
    own.asked_at,
    data_request.state,
    data_request.dataset,
    data_request.reason_fr,
    data_request.reason_en,
    data_request.answered_at
FROM data_request_partner AS own
JOIN data_request ON data_request.id = own.data_request

-- name: list_own
-- The requests of the partner $1, the latest first; $2 rows, $3 rows to skip.
{asked}
WHERE own.partner = $1
ORDER BY own.asked_at DESC, own.id
LIMIT $2
OFFSET $3;

-- name: get_own
-- The request $1 as the partner $2 made it.
{asked}
WHERE own.data_request = $1
  AND own.partner = $2;

-- fragment: summed
-- A request as stewards read it, with the number of its partners and what they would pay together.
SELECT
    data_request.id,
    data_request.place,
    data_request.product,
    data_request.grain,
    data_request.starts_on,
    data_request.ends_on,
    data_request.asked_at,
    data_request.state,
    data_request.dataset,
    data_request.reason_fr,
    data_request.reason_en,
    data_request.answered_by,
    data_request.answered_at,
    (SELECT count(*) FROM data_request_partner AS part WHERE part.data_request = data_request.id) AS partners,
    (
        SELECT coalesce(sum(most_minor), 0)::bigint
        FROM data_request_partner AS part
        WHERE part.data_request = data_request.id
    ) AS most_minor
FROM data_request

-- name: list_requests
-- All requests, those without an answer first; $1 rows, $2 rows to skip.
{summed}
ORDER BY data_request.state <> 'open', data_request.asked_at DESC, data_request.id
LIMIT $1
OFFSET $2;

-- name: get_request
-- The request $1.
{summed}
WHERE data_request.id = $1;

-- name: list_parts
-- The partners of the request $1, the first first.
SELECT part.partner, partner.company, part.place, part.most_minor, part.text, part.asked_at
FROM data_request_partner AS part
JOIN partner ON partner.id = part.partner
WHERE part.data_request = $1
ORDER BY part.asked_at, part.id;
