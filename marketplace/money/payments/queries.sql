-- name: claim_commands
-- Claims at most $4 due commands, the longest due first: $1 now, $2 the end of the lease, $3 one command or null.
UPDATE stripe_command
SET attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, $1), next_at = $2
WHERE id IN (
    SELECT id
    FROM stripe_command
    WHERE state = 'pending' AND next_at <= $1 AND ($3::uuid IS NULL OR id = $3)
    ORDER BY next_at
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
RETURNING
    id, verb, subject, parameters, amount_minor, state, attempts, generation, created_at, first_tried_at, error;

-- name: write_transfers
-- Writes a transfer's command for each payout $1[i], of $2[i] cents, with the parameters $3[i]; $4 now. If the database
-- was restored from a backup, a payout may have been transferred before: its transfer is looked for first, as after a
-- first key.
INSERT INTO stripe_command
    (id, verb, subject, parameters, amount_minor, state, attempts, generation, next_at, created_at)
SELECT
    id,
    'transfer',
    id,
    parameters::jsonb,
    amount_minor,
    'pending',
    0,
    CASE WHEN EXISTS (SELECT FROM restoration) THEN 1 ELSE 0 END,
    $4,
    $4
FROM unnest($1::uuid[], $2::bigint[], $3::text[]) AS given (id, amount_minor, parameters)
ON CONFLICT (id) DO NOTHING;

-- name: is_being_paid
-- Whether a transfer to the connected account $1 is not done yet.
SELECT EXISTS (
    SELECT
    FROM stripe_command
    WHERE verb = 'transfer' AND state = 'pending' AND parameters ->> 'destination' = $1
);

-- fragment: stuck
-- Whether a command waits for finance: it failed, or was written before $1 and is not done, and nobody gave it up.
settled_at IS NULL AND (state = 'failed' OR state = 'pending' AND created_at < $1)

-- fragment: valid
-- Whether a saved method may be charged on the day $1.
saved_method.state = 'saved' AND (ends_on IS NULL OR ends_on > $1)

-- name: list_stuck_commands
-- The commands that wait for finance, of the state $3 or (empty) of any, in the order $4 (amount, attempts, next,
-- verb), by default the oldest first; $2 rows.
SELECT
    command.id,
    verb,
    command.subject,
    command.state,
    attempts,
    created_at,
    next_at,
    first_tried_at,
    error,
    command.whole_minor AS amount_minor,
    partner.company
FROM (
    SELECT
        *,
        row_number() OVER (
            ORDER BY
                CASE $4::text WHEN 'amount' THEN -whole_minor WHEN 'attempts' THEN -attempts END,
                CASE $4::text WHEN 'next' THEN next_at END,
                CASE $4::text WHEN 'verb' THEN verb END,
                created_at,
                id
        ) AS place
    FROM (
        SELECT
            *,
            coalesce(
                amount_minor, (SELECT payment.amount_minor FROM payment WHERE payment.subject = stripe_command.subject)
            ) AS whole_minor
        FROM stripe_command
        WHERE {stuck} AND $3::text IN ('', state)
    ) AS stuck
    ORDER BY place
    LIMIT $2
) AS command
LEFT JOIN payment ON payment.subject = command.subject
LEFT JOIN saved_method ON saved_method.id = command.subject
LEFT JOIN partner ON partner.id IN (payment.payer, saved_method.payer, command.subject)
ORDER BY command.place;

-- name: list_lost_events
-- The events that no webhook brought in time, found since $1.
SELECT id, type, created_at, received_at, lost_at
FROM stripe_event
WHERE lost_at > $1;

-- name: count_errors
-- How many commands wait for finance, and how many events were lost or wait to be handled.
SELECT
    (SELECT count(*) FROM stripe_command WHERE {stuck}) AS stuck_commands,
    (SELECT count(*) FROM stripe_event WHERE lost_at IS NOT NULL) AS lost_events,
    (SELECT count(*) FROM stripe_event WHERE handled_at IS NULL) AS waiting_events;

-- name: find_saved_method
-- The latest saved method of the partner $2 of the kinds $3 that is valid, with the partner as Stripe's customer.
SELECT saved_method.id, kind, brand, last_four, ends_on, method_id, saved_at, payer.customer_id
FROM saved_method
JOIN payer ON payer.partner = saved_method.payer
WHERE saved_method.payer = $2 AND kind = ANY ($3) AND {valid}
ORDER BY saved_at DESC, id
LIMIT 1;

-- name: list_partners_with_saved_method
-- Which of the partners $2 have a valid saved method.
SELECT DISTINCT payer
FROM saved_method
WHERE payer = ANY ($2) AND {valid};

-- name: list_reversed_transfers
-- The transfers that Stripe reversed, whole or in part, with the returned cents.
SELECT stripe_command.id, sum(reversal.amount_minor)::bigint AS reversed_minor
FROM balance_transaction AS reversal
JOIN stripe_command ON object_id = reversal.charge_id AND verb = 'transfer'
WHERE category = 'transfer_reversal'
GROUP BY stripe_command.id;

-- name: store_events
-- Stores the events $1[i] of type $2[i], body $3[i] and instant $4[i], which came by $5 at $6, and returns how many are
-- new. A webhook is recorded on an event that the sweep brought first.
WITH stored AS (
    INSERT INTO stripe_event AS known (id, type, payload, came_by, received_at, created_at, webhook_at)
    SELECT id, type, payload, $5, $6, at, CASE WHEN $5 = 'webhook' THEN $6::timestamptz END
    FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[]) AS event (id, type, payload, at)
    ON CONFLICT (id) DO UPDATE
    SET webhook_at = excluded.webhook_at
    WHERE known.webhook_at IS NULL AND excluded.webhook_at IS NOT NULL
    RETURNING xmax = 0 AS is_new
)
SELECT count(*)
FROM stored
WHERE is_new;

-- name: record_dispute
-- Writes a dispute, or the result of a later reading ($12) of a known one.
INSERT INTO dispute
    (id, payment_subject, charge_id, amount_minor, currency, reason, status, state, opened_at, due_at, closed_at,
     reading)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (id) DO UPDATE
SET
    payment_subject = coalesce(excluded.payment_subject, dispute.payment_subject),
    amount_minor = excluded.amount_minor,
    reason = excluded.reason,
    status = excluded.status,
    state = excluded.state,
    due_at = excluded.due_at,
    closed_at = CASE
        WHEN excluded.state IN ('won', 'lost') THEN coalesce(dispute.closed_at, excluded.closed_at)
    END,
    reading = excluded.reading
WHERE dispute.reading < excluded.reading;

-- name: mirror_movements
-- Copies balance transactions, one column a parameter, and returns the new or changed ones.
INSERT INTO balance_transaction
    (id, category, amount_minor, fee_minor, net_minor, currency, source_id, charge_id, payment_subject, status,
     created_at, available_on)
SELECT
    id,
    category,
    amount_minor,
    fee_minor,
    net_minor,
    currency,
    source_id,
    given.charge_id,
    coalesce(
        (SELECT subject FROM payment WHERE payment.charge_id = given.charge_id),
        (SELECT subject FROM payment WHERE payment.subject = given.subject)
    ),
    status,
    created_at,
    available_on
FROM unnest(
    $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::timestamptz[], $11::timestamptz[], $12::uuid[]
) AS given (
    id, category, amount_minor, fee_minor, net_minor, currency, source_id, charge_id, status, created_at, available_on,
    subject
)
ON CONFLICT (id) DO UPDATE
SET status = excluded.status, charge_id = coalesce(balance_transaction.charge_id, excluded.charge_id)
WHERE balance_transaction.status <> excluded.status
   OR balance_transaction.charge_id IS NULL AND excluded.charge_id IS NOT NULL
RETURNING id, xmax = 0 AS is_new;

-- name: list_unposted_movements
-- A thousand mirrored movements in the currency $2 whose category, one of $1, has an account and that have no entry.
SELECT id, category, amount_minor, fee_minor, currency, source_id, created_at
FROM balance_transaction AS movement
WHERE category = ANY ($1)
  AND currency = $2
  AND NOT EXISTS (
      SELECT FROM journal_entry WHERE kind = 'stripe_' || movement.category AND source_id = movement.id
  )
ORDER BY created_at, id
LIMIT 1000;

-- name: list_given_accounts
-- The accounts that two people decided for Stripe's categories, in the order of their decisions.
SELECT document ->> 'category' AS category, document ->> 'account' AS account
FROM proposal
WHERE kind = 'category' AND approved
ORDER BY decided_at;
