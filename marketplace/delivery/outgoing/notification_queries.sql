-- name: write_from_messages
-- Writes an event for each message to a partner since $3 of a kind $1[i], with the type $2[i]; repeating it writes
-- nothing.
INSERT INTO partner_event (partner, kind, source, data, at)
SELECT message.recipient::uuid, given.type, message.source_id, message.details, message.created_at
FROM message
JOIN unnest($1::text[], $2::text[]) AS given (kind, type) ON given.kind = message.kind
WHERE message.audience = 'partner'
  AND message.created_at > $3::timestamptz
  AND NOT EXISTS (
      SELECT
      FROM partner_event
      WHERE partner_event.partner = message.recipient::uuid
        AND partner_event.kind = given.type
        AND partner_event.source = message.source_id
  )
ORDER BY message.created_at, message.id
ON CONFLICT (partner, kind, source) DO NOTHING;

-- name: write_from_orders
-- Writes an event of the type $1 for each order that was paid since $2; repeating it writes nothing.
INSERT INTO partner_event (partner, kind, source, data, at)
SELECT
    partner,
    $1,
    id::text,
    jsonb_build_object('order', id::text, 'number', number, 'total_minor', total_minor),
    paid_at
FROM purchase_order
WHERE paid_at > $2::timestamptz
  AND NOT EXISTS (
      SELECT
      FROM partner_event
      WHERE partner_event.partner = purchase_order.partner
        AND partner_event.kind = $1
        AND partner_event.source = purchase_order.id::text
  )
ORDER BY paid_at, id
ON CONFLICT (partner, kind, source) DO NOTHING;

-- name: schedule
-- Adds a delivery, due at $1, for each event and open address without one.
INSERT INTO webhook_delivery (endpoint, event, next_at, attempts, last_answer)
SELECT webhook_endpoint.id, partner_event.id, $1, 0, ''
FROM webhook_endpoint
JOIN partner_event ON partner_event.partner = webhook_endpoint.partner AND partner_event.id > webhook_endpoint.after
WHERE webhook_endpoint.disabled_at IS NULL
  AND NOT EXISTS (
      SELECT
      FROM webhook_delivery
      WHERE webhook_delivery.endpoint = webhook_endpoint.id
        AND webhook_delivery.event = partner_event.id
  )
ON CONFLICT (endpoint, event) DO NOTHING;

-- name: claim
-- Claims the $2 deliveries that are due at $1, the longest due first. The claim counts as an attempt, and the delivery
-- is due again at $3 unless its outcome is recorded before.
UPDATE webhook_delivery
SET attempts = attempts + 1, next_at = $3
FROM (
    SELECT due.id
    FROM webhook_delivery AS due
    JOIN webhook_endpoint ON webhook_endpoint.id = due.endpoint
    WHERE due.next_at <= $1
      AND webhook_endpoint.disabled_at IS NULL
    ORDER BY due.next_at, due.id
    LIMIT $2
    FOR UPDATE OF due SKIP LOCKED
) AS claimed, webhook_endpoint, partner_event
WHERE webhook_delivery.id = claimed.id
  AND webhook_endpoint.id = webhook_delivery.endpoint
  AND partner_event.id = webhook_delivery.event
RETURNING
    webhook_delivery.id,
    webhook_delivery.endpoint,
    webhook_endpoint.partner,
    webhook_endpoint.url,
    webhook_delivery.attempts,
    partner_event.id AS event,
    partner_event.kind AS type,
    partner_event.at,
    partner_event.data::text AS data;

-- name: list_endpoints
-- The addresses of the partner $1, the latest first; $2 rows.
SELECT
    webhook_endpoint.id,
    webhook_endpoint.url,
    webhook_endpoint.created_at,
    webhook_endpoint.disabled_at,
    webhook_endpoint.disabled_because,
    (
        SELECT count(*) FROM webhook_delivery WHERE endpoint = webhook_endpoint.id AND delivered_at IS NOT NULL
    ) AS delivered,
    (SELECT count(*) FROM webhook_delivery WHERE endpoint = webhook_endpoint.id AND next_at IS NOT NULL) AS waiting
FROM webhook_endpoint
WHERE partner = $1
ORDER BY created_at DESC, id
LIMIT $2;

-- name: list_deliveries
-- The last $2 deliveries to addresses of the partner $1.
SELECT
    webhook_delivery.id,
    webhook_endpoint.url,
    partner_event.kind AS type,
    partner_event.at,
    webhook_delivery.attempts,
    webhook_delivery.next_at,
    webhook_delivery.delivered_at,
    webhook_delivery.last_answer
FROM webhook_delivery
JOIN webhook_endpoint ON webhook_endpoint.id = webhook_delivery.endpoint
JOIN partner_event ON partner_event.id = webhook_delivery.event
WHERE webhook_endpoint.partner = $1
ORDER BY webhook_delivery.id DESC
LIMIT $2;

-- name: replay
-- Makes the delivery $2 to an open address of the partner $1 due at $3 as if for the first time.
UPDATE webhook_delivery
SET attempts = 0, next_at = $3, delivered_at = NULL
FROM webhook_endpoint
WHERE webhook_delivery.id = $2
  AND webhook_endpoint.id = webhook_delivery.endpoint
  AND webhook_endpoint.partner = $1
  AND webhook_endpoint.disabled_at IS NULL
RETURNING webhook_delivery.id;

-- name: list_events
-- The events of the partner $1 after the number $2, the earliest first; $3 rows.
SELECT id, kind AS type, at, data::text AS data
FROM partner_event
WHERE partner = $1
  AND id > $2
ORDER BY id
LIMIT $3;

-- name: list_latest
-- The last $2 events of the partner $1, the latest first.
SELECT id, kind AS type, at, data::text AS data
FROM partner_event
WHERE partner = $1
ORDER BY id DESC
LIMIT $2;
