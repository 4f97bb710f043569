-- name: book
-- Every order that Stripe, the bank or the books move money for, and every payment without one, with what each of them
-- says, in cents; but sales on credit, which owe what `credit_sale` says. $1 the currency of the books. `subject` is
-- the payment's; `id` the order's, null where there is none.
WITH movement AS MATERIALIZED (
    SELECT
        payment_subject AS subject,
        min(id) FILTER (WHERE category = 'charge') AS charge,
        coalesce(min(id) FILTER (WHERE category <> 'charge'), min(id)) AS other,
        sum(amount_minor) FILTER (
            WHERE category IN ('charge', 'charge_failure', 'partial_capture_reversal')
        )::bigint AS charged_minor,
        sum(amount_minor) FILTER (WHERE category IN ('refund', 'refund_failure'))::bigint AS refunded_minor,
        sum(amount_minor) FILTER (WHERE category IN ('dispute', 'dispute_reversal'))::bigint AS disputed_minor,
        sum(amount_minor)::bigint AS kept_minor,
        min(created_at) AS first_at,
        max(created_at) AS last_at
    FROM balance_transaction
    WHERE payment_subject IS NOT NULL AND currency = $1
    GROUP BY payment_subject
), banked AS MATERIALIZED (
    SELECT target_id::uuid AS subject, sum(amount_minor)::bigint AS amount_minor
    FROM bank_match
    WHERE target_kind = 'order' AND undone_at IS NULL
    GROUP BY target_id
), returned AS MATERIALIZED (
    SELECT
        purchase_order AS subject,
        coalesce(sum(total_minor) FILTER (WHERE order_return.kind = 'refund'), 0)::bigint AS refund_minor,
        coalesce(sum(total_minor) FILTER (WHERE order_return.kind = 'dispute'), 0)::bigint AS dispute_minor,
        coalesce(sum(total_minor) FILTER (WHERE order_return.kind = 'failure'), 0)::bigint AS failure_minor,
        max(order_return.at) AS at
    FROM order_return
    JOIN journal_entry ON journal_entry.source_id = order_return.id::text
                      AND journal_entry.kind IN ('refund', 'dispute_lost')
    GROUP BY purchase_order
), forfeit AS MATERIALIZED (
    SELECT source_id AS subject, sum(amount_minor)::bigint AS amount_minor
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    WHERE kind IN ('deposit_forfeited', 'penalty_received')
    GROUP BY source_id
), given_back AS MATERIALIZED (
    SELECT
        movement.payment_subject AS subject,
        -sum(movement.amount_minor)::bigint AS amount_minor
    FROM journal_entry
    JOIN balance_transaction AS movement ON movement.id = journal_entry.source_id
    WHERE kind IN ('deposit_given_back', 'penalty_given_back')
    GROUP BY movement.payment_subject
), reversed AS MATERIALIZED (
    SELECT dispute.payment_subject AS subject, sum(posting.amount_minor)::bigint AS amount_minor
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    JOIN dispute ON dispute.id = journal_entry.source_id
    WHERE kind IN ('deposit_charged_back', 'penalty_charged_back')
    GROUP BY dispute.payment_subject
)
SELECT
    purchase_order.id,
    number,
    purchase_order.state,
    total_minor,
    sale.at AS sold_at,
    coalesce(movement.charged_minor, 0) + coalesce(banked.amount_minor, 0) AS charged_minor,
    coalesce(movement.refunded_minor, 0) AS refunded_minor,
    coalesce(movement.disputed_minor, 0) AS disputed_minor,
    coalesce(movement.kept_minor, 0) + coalesce(banked.amount_minor, 0) AS kept_minor,
    coalesce(returned.refund_minor, 0) AS returned_minor,
    coalesce(returned.dispute_minor, reversed.amount_minor, 0) AS charged_back_minor,
    returned.at AS returned_at,
    total_minor - coalesce(returned.failure_minor, 0) AS due_minor,
    coalesce(forfeit.amount_minor, 0) - coalesce(given_back.amount_minor, 0) AS forfeit_minor,
    auction_deposit.id IS NOT NULL AS is_deposit,
    coalesce(payment.state = 'processing', false) AS is_under_way,
    movement.subject,
    charge,
    other,
    first_at,
    last_at,
    entitlement.id AS entitlement,
    entitlement.revoked_at,
    entitlement.suspended_at,
    purchase_order.state = 'paid' AND coalesce(returned.dispute_minor, 0) = 0 OR EXISTS (
        SELECT FROM dispute WHERE payment_subject = purchase_order.id AND dispute.state = 'open'
    ) AS is_disputed
FROM purchase_order
FULL JOIN movement ON movement.subject = purchase_order.id
LEFT JOIN banked ON banked.subject = purchase_order.id
LEFT JOIN returned ON returned.subject = purchase_order.id
LEFT JOIN journal_entry AS sale ON sale.kind = 'sale' AND sale.source_id = purchase_order.id::text
LEFT JOIN forfeit ON forfeit.subject = movement.subject::text
LEFT JOIN given_back ON given_back.subject = movement.subject
LEFT JOIN reversed ON reversed.subject = movement.subject
LEFT JOIN auction_deposit ON auction_deposit.id = movement.subject
LEFT JOIN payment ON payment.subject = movement.subject
LEFT JOIN LATERAL (
    SELECT entitlement.*
    FROM licence
    JOIN entitlement ON entitlement.licence = licence.id
    WHERE licence.purchase_order = purchase_order.id
    ORDER BY revoked_at DESC NULLS FIRST, suspended_at DESC NULLS FIRST, entitlement.id
    LIMIT 1
) AS entitlement ON true
WHERE (movement.subject IS NOT NULL OR banked.subject IS NOT NULL OR sale.id IS NOT NULL)
  AND NOT EXISTS (SELECT FROM credit_sale WHERE credit_sale.subject = purchase_order.id);

-- name: unequal
-- Stripe's balance transactions that no entry posts (then `posted_minor` is null) or whose entry moves another
-- amount of
-- the account $4, Stripe's balance. One that moves nothing needs no entry.
WITH posted AS MATERIALIZED (
    SELECT
        source_id,
        kind,
        sum(CASE $4::text WHEN debit THEN amount_minor WHEN credit THEN -amount_minor ELSE 0 END)::bigint AS net_minor
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    WHERE kind LIKE 'stripe\_%'
    GROUP BY journal_entry.id
)
SELECT movement.id, category, currency, created_at, movement.net_minor, posted.net_minor AS posted_minor
FROM balance_transaction AS movement
LEFT JOIN posted ON posted.source_id = movement.id AND posted.kind = 'stripe_' || category
WHERE posted.net_minor IS DISTINCT FROM movement.net_minor
  AND (posted.source_id IS NOT NULL OR movement.amount_minor <> 0 OR movement.fee_minor <> 0);

-- name: written_off
-- The approved write-offs that no reversal has undone, with their entry where the books hold one.
SELECT
    proposal.id,
    document ->> 'why' AS why,
    document ->> 'subject' AS subject,
    document ->> 'reference' AS reference,
    proposal.amount_minor,
    decided_at,
    written.id AS entry
FROM proposal
LEFT JOIN journal_entry AS written ON written.kind = 'write_off' AND written.source_id = proposal.id::text
WHERE proposal.kind = 'write_off'
  AND approved
  AND NOT EXISTS (SELECT FROM journal_entry AS reversal WHERE reversal.reverses = written.id);

-- name: kept
-- The exceptions that the last look found, with what is written of them since, in the form of the statement that looks:
-- those two people wrote off meanwhile are left out, and weights are of now, $2. Its other parameters are not needed.
SELECT
    found.why,
    detail,
    found.subject,
    found.reference,
    path,
    found.amount_minor,
    at,
    pending.id AS proposal,
    (
        greatest(extract(epoch FROM $2::timestamptz - at), 0) / 86400 * coalesce(abs(found.amount_minor), 100)
    )::numeric AS weight
FROM kept_exception AS found
LEFT JOIN proposal AS pending
    ON pending.kind = 'write_off'
   AND pending.subject = found.why || ' ' || found.subject
   AND pending.approved IS NULL
WHERE ($1::text, $3::text[], $4::text) IS NOT NULL
  AND NOT EXISTS (
      SELECT FROM proposal
      WHERE approved
        AND proposal.kind = 'write_off'
        AND proposal.subject = found.why || ' ' || found.subject
        AND decided_at >= (SELECT looked_at FROM exception_look)
  );

-- name: note_look
-- Writes down that the last look was at $1.
INSERT INTO exception_look (id, looked_at)
VALUES (1, $1)
ON CONFLICT (id) DO UPDATE SET looked_at = excluded.looked_at;

-- name: list_movements
-- $1 of Stripe's balance transactions after the first $2, newest first, of the category $3 where it names one, each
-- with the entry that posts it and its order.
SELECT
    movement.id,
    category,
    movement.amount_minor,
    movement.fee_minor,
    movement.net_minor,
    movement.currency,
    created_at,
    journal_entry.id AS entry,
    purchase_order.id AS order_id,
    purchase_order.number
FROM (
    SELECT id, category, amount_minor, fee_minor, net_minor, currency, created_at, payment_subject
    FROM balance_transaction
    WHERE $3 = '' OR category = $3
    ORDER BY created_at DESC, id DESC
    LIMIT $1
    OFFSET $2
) AS movement
LEFT JOIN journal_entry ON kind = 'stripe_' || category AND journal_entry.source_id = movement.id
LEFT JOIN purchase_order ON purchase_order.id = payment_subject
ORDER BY created_at DESC, movement.id DESC;

-- name: find_movement
-- The balance transaction $1 of Stripe's with its order.
SELECT
    movement.id,
    category,
    amount_minor,
    fee_minor,
    movement.net_minor,
    movement.currency,
    source_id,
    payout_id,
    status,
    created_at,
    available_on,
    purchase_order.id AS order_id,
    purchase_order.number
FROM balance_transaction AS movement
LEFT JOIN purchase_order ON purchase_order.id = payment_subject
WHERE movement.id = $1;

-- fragment: categories
-- The categories that ever moved Stripe's balance, by skipping from one to the next in their index.
WITH RECURSIVE known AS (
    (SELECT category FROM balance_transaction ORDER BY category LIMIT 1)
    UNION ALL
    SELECT (
        SELECT balance_transaction.category
        FROM balance_transaction
        WHERE balance_transaction.category > known.category
        ORDER BY balance_transaction.category
        LIMIT 1
    )
    FROM known
    WHERE known.category IS NOT NULL
)
SELECT category
FROM known
WHERE category IS NOT NULL

-- name: list_categories
-- The categories that ever moved Stripe's balance, by name.
SELECT category
FROM ({categories}) AS found
ORDER BY category;

-- name: list_unknown_categories
-- Those outside $1 whose movements in the currency $2 have an amount, with these.
SELECT found.category, moved.movements, moved.net_minor, moved.first_at
FROM ({categories}) AS found
CROSS JOIN LATERAL (
    SELECT count(*) AS movements, sum(net_minor)::bigint AS net_minor, min(created_at) AS first_at
    FROM balance_transaction
    WHERE balance_transaction.category = found.category AND currency = $2 AND (amount_minor <> 0 OR fee_minor <> 0)
) AS moved
WHERE found.category <> ALL ($1::text[]) AND moved.movements > 0
ORDER BY found.category;

-- name: list_cash
-- For each of the last twelve months in Paris until $2: what came to the accounts $1 from others, and what left them.
-- The sums of days say what moved; what moved among these accounts, and what opened one, is little and is not counted.
WITH span AS (
    SELECT
        date_trunc('month', $2 AT TIME ZONE 'Europe/Paris') - interval '11 months' AS first,
        date_trunc('month', $2 AT TIME ZONE 'Europe/Paris') AS last
), opened AS (
    SELECT
        at,
        CASE WHEN debit = ANY ($1) THEN amount_minor ELSE 0 END AS in_minor,
        CASE WHEN credit = ANY ($1) THEN amount_minor ELSE 0 END AS out_minor
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    WHERE kind = 'bank_opening' AND (debit = ANY ($1)) <> (credit = ANY ($1))
), flow AS (
    SELECT date_trunc('month', day) AS month, debit_minor AS in_minor, credit_minor AS out_minor
    FROM day_sum
    WHERE account = ANY ($1) AND day >= (SELECT first FROM span)
    UNION ALL
    SELECT date_trunc('month', at AT TIME ZONE 'Europe/Paris'), -amount_minor, -amount_minor
    FROM posting
    CROSS JOIN LATERAL (SELECT at FROM journal_entry WHERE journal_entry.id = posting.entry OFFSET 0) AS entered
    WHERE debit = ANY ($1) AND credit = ANY ($1)
    UNION ALL
    SELECT date_trunc('month', at AT TIME ZONE 'Europe/Paris'), -in_minor, -out_minor
    FROM opened
)
SELECT
    month::date AS month,
    coalesce(sum(in_minor), 0)::bigint AS in_minor,
    coalesce(sum(out_minor), 0)::bigint AS out_minor
FROM span
CROSS JOIN generate_series(first, last, interval '1 month') AS month
LEFT JOIN flow USING (month)
GROUP BY month
ORDER BY month;

-- name: find_order
-- The order $1 with its payment, licence and split.
SELECT
    purchase_order.id,
    number,
    purchase_order.state,
    purchase_order.net_minor,
    vat_minor,
    vat_basis_points,
    total_minor,
    purchase_order.currency,
    ordered_at,
    purchase_order.paid_at,
    purchase_order.returned_minor,
    charged_back_minor,
    company,
    payment.state AS payment_state,
    payment.refunded_minor,
    lots.*
FROM purchase_order
JOIN partner ON partner.id = purchase_order.partner
LEFT JOIN payment ON payment.subject = purchase_order.id
CROSS JOIN LATERAL (
    SELECT
        string_agg(DISTINCT dataset.code, ', ') AS dataset,
        string_agg(DISTINCT title_fr, ', ') AS title_fr,
        string_agg(DISTINCT title_en, ', ') AS title_en,
        coalesce(array_agg(licence.id) FILTER (WHERE licence.id IS NOT NULL), '{}') AS licences,
        max(licence.hold_until) AS hold_until,
        CASE WHEN bool_and(licence.cancelled_at IS NOT NULL) THEN max(licence.cancelled_at) END AS cancelled_at,
        min(split.state) AS split_state,
        sum(split.fee_minor)::bigint AS fee_minor,
        sum(split.pool_minor)::bigint AS pool_minor,
        sum(split.operator_minor)::bigint AS operator_minor,
        sum(split.platform_minor)::bigint AS platform_minor
    FROM order_lot
    JOIN quote ON quote.id = order_lot.quote
    JOIN release ON release.id = quote.release
    JOIN dataset ON dataset.code = release.dataset
    LEFT JOIN licence ON licence.quote = order_lot.quote
    LEFT JOIN licence_split AS split ON split.licence = licence.id
    WHERE order_lot.purchase_order = purchase_order.id
) AS lots
WHERE purchase_order.id = $1;

-- name: count_come_again
-- How many of Stripe's events and balance transactions, and of the bank's lines, are of the instant $1 or later.
SELECT
    (SELECT count(*) FROM stripe_event WHERE created_at >= $1) AS events,
    (SELECT count(*) FROM balance_transaction WHERE created_at >= $1) AS movements,
    (
        SELECT count(*)
        FROM bank_line
        WHERE booked_on >= ($1::timestamptz AT TIME ZONE 'Europe/Paris')::date
    ) AS bank_lines;

-- name: assigned
-- Every exception that was ever assigned, with the person who has to see to it now.
SELECT DISTINCT ON (why, subject) why, subject, assignee
FROM exception_note
WHERE assignee IS NOT NULL
ORDER BY why, subject, id DESC;

-- name: list_assignees
-- Those who have to see to the exceptions $1[i], $2[i].
SELECT DISTINCT ON (why, subject) why, subject, person.id AS person, person.name
FROM unnest($1::text[], $2::text[]) AS given (why, subject)
JOIN exception_note USING (why, subject)
JOIN person ON person.id = assignee
ORDER BY why, subject, exception_note.id DESC;

-- name: list_notes
-- What was said of the exception $1, $2, the earliest first, with names.
SELECT exception_note.id, text, at, author.name AS author, assignee.name AS assignee
FROM exception_note
JOIN person AS author ON author.id = author
LEFT JOIN person AS assignee ON assignee.id = assignee
WHERE why = $1 AND subject = $2
ORDER BY exception_note.id;

-- name: list_penalties
-- $1 winners who did not pay after the first $2, the latest first: what each owes, and in cents what its deposits and
-- penalties brought, by the books; what of these was given back, or reversed by a bank; and what it still owes.
SELECT
    owed.id,
    owed.auction,
    partner.company,
    owed.owed_minor,
    owed.decided_at,
    owed.settled_at,
    owed.barred_until,
    coalesce(moved.deposits_minor, 0)::bigint AS deposits_minor,
    coalesce(moved.penalties_minor, 0)::bigint AS penalties_minor,
    coalesce(moved.back_minor, 0)::bigint AS back_minor,
    greatest(0, owed.owed_minor - received_for_default(owed.partner, owed.auction))::bigint AS left_minor
FROM (
    SELECT * FROM auction_default ORDER BY decided_at DESC, id LIMIT $1 OFFSET $2
) AS owed
JOIN partner ON partner.id = owed.partner
LEFT JOIN LATERAL (
    SELECT
        sum(entered.amount_minor) FILTER (WHERE entered.kind = 'deposit_forfeited') AS deposits_minor,
        sum(entered.amount_minor) FILTER (WHERE entered.kind = 'penalty_received') AS penalties_minor,
        sum(entered.amount_minor) FILTER (WHERE entered.is_back) AS back_minor
    FROM auction_deposit AS deposit
    JOIN LATERAL (
        SELECT kind, amount_minor, false AS is_back
        FROM journal_entry
        JOIN posting ON posting.entry = journal_entry.id
        WHERE kind IN ('deposit_forfeited', 'penalty_received') AND source_id = deposit.id::text
        UNION ALL
        SELECT kind, posting.amount_minor, true
        FROM dispute
        JOIN journal_entry ON journal_entry.source_id = dispute.id
                          AND kind IN ('deposit_charged_back', 'penalty_charged_back')
        JOIN posting ON posting.entry = journal_entry.id
        WHERE dispute.payment_subject = deposit.id
        UNION ALL
        SELECT kind, -movement.amount_minor, true
        FROM balance_transaction AS movement
        JOIN journal_entry ON journal_entry.source_id = movement.id
                          AND kind IN ('deposit_given_back', 'penalty_given_back')
        WHERE movement.payment_subject = deposit.id
    ) AS entered ON true
    WHERE deposit.auction = owed.auction AND deposit.partner = owed.partner
) AS moved ON true
ORDER BY owed.decided_at DESC, owed.id;

-- name: list_waiting_exceptions
-- Documents that have not left an hour after they were issued, or in the month after, and statuses and reports that the
-- platform does not accept or that wait for an hour, as exceptions; $2 is now.
SELECT
    CASE transmission.state
        WHEN 'waiting' THEN 'annuaire'
        ELSE coalesce(nullif(flow.error, ''), flow.name, '')
    END AS detail,
    transmission.id::text AS subject,
    invoice.number AS reference,
    '/finance/einvoicing/' || transmission.id AS path,
    invoice.total_minor AS amount_minor,
    invoice.issued_at AS at
FROM transmission
JOIN invoice ON invoice.id = transmission.invoice
LEFT JOIN einvoicing_flow AS flow ON flow.transmission = transmission.id AND flow.kind = 'invoice'
WHERE transmission.state IN ('waiting', 'queued')
  AND (
      invoice.issued_at < $2::timestamptz - interval '1 hour'
      OR date_trunc('month', invoice.issued_at AT TIME ZONE 'Europe/Paris')
         < date_trunc('month', $2::timestamptz AT TIME ZONE 'Europe/Paris')
  )
UNION ALL
SELECT
    coalesce(nullif(flow.error, ''), flow.name),
    flow.id::text,
    flow.name,
    concat_ws('/', '/finance/einvoicing', flow.transmission),
    NULL,
    flow.created_at
FROM einvoicing_flow AS flow
WHERE flow.kind <> 'invoice'
  AND (
      flow.state = 'refused'
      OR flow.state = 'pending' AND flow.created_at < $2::timestamptz - interval '1 hour'
  );
