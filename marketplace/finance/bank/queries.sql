-- fragment: unmatched_payouts
-- See the fragment's statement.
SELECT movement.source_id AS id, -movement.net_minor AS amount_minor, movement.created_at AS at
FROM balance_transaction AS movement
WHERE category = 'payout' AND currency = $1::text AND source_id IS NOT NULL
  AND NOT EXISTS (
    SELECT FROM bank_match
    WHERE target_kind = 'payout' AND target_id = movement.source_id AND undone_at IS NULL
  )
  AND NOT EXISTS (
    SELECT FROM balance_transaction AS reversal
    WHERE reversal.source_id = movement.source_id AND reversal.category = 'payout_reversal'
  )

-- fragment: refused_and_debited
-- See the statement.
SELECT 'PTP' || replace(payout.id::text, '-', '') AS id, payout.run, payout.ended_at AS at, payout.amount_minor
FROM payout
JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
WHERE {is_kept}

-- fragment: is_kept
-- Whether a payout was refused and still debited, alone or with its batch, and has not come back.
payout.state = 'failed' AND EXISTS (
    SELECT FROM bank_match
    WHERE target_kind = 'payout_line' AND undone_at IS NULL
      AND (
        target_id = 'PTP' || replace(payout.id::text, '-', '') AND bank_match.amount_minor < 0
        OR target_id = 'PTB' || replace(payout_batch.id::text, '-', '')
           AND -bank_match.amount_minor = payout_batch.amount_minor
      )
  )
  AND NOT EXISTS (
    SELECT FROM bank_match
    WHERE target_kind = 'payout_line' AND undone_at IS NULL
      AND target_id = 'PTP' || replace(payout.id::text, '-', '') AND bank_match.amount_minor > 0
  )

-- name: open_payouts
-- Stripe's payouts without a bank line, in cents; a payout that failed and came back needs no line. $1 the currency of
-- the books.
{unmatched_payouts};

-- name: kept_by_bank
-- Payouts to subscribers that the bank refused and still debited, alone or with their whole batch.
{refused_and_debited};

-- name: awaited_payouts
-- What the bank may still move for subscribers' payouts, signed like its line: a debit, a whole batch's, or a return.
-- Those with the ids $2, and the $3 nearest to the amount $1 each way.
WITH near AS MATERIALIZED (SELECT payouts_near($1, $2, $3) AS id)
SELECT
    'PTP' || replace(payout.id::text, '-', '') AS id,
    payout_run.id AS run,
    sent_at AS at,
    CASE payout.state WHEN 'open' THEN -payout.amount_minor ELSE payout.amount_minor END AS amount_minor
FROM near
JOIN payout ON payout.id = near.id
JOIN payout_run ON payout_run.id = payout.run AND route = 'sepa' AND moved_by IS NOT NULL
JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
WHERE payout.state IN ('open', 'settled') AND NOT EXISTS (
    SELECT FROM bank_match
    WHERE target_kind = 'payout_line' AND undone_at IS NULL
      AND (
        target_id = 'PTP' || replace(payout.id::text, '-', '')
        OR payout.state = 'open' AND target_id = 'PTB' || replace(payout_batch.id::text, '-', '')
      )
      AND sign(bank_match.amount_minor) = CASE payout.state WHEN 'open' THEN -1 ELSE 1 END
  )
UNION ALL
SELECT 'PTB' || replace(payout_batch.id::text, '-', ''), payout_run.id, sent_at, -payout_batch.amount_minor
FROM near
JOIN payout_batch ON payout_batch.id = near.id
JOIN payout_run ON payout_run.id = payout_batch.run AND route = 'sepa' AND moved_by IS NOT NULL
WHERE payout_batch.people > 1
  AND NOT EXISTS (
    SELECT FROM payout
    WHERE payout.run = payout_batch.run AND payout.batch = payout_batch.number AND state <> 'open'
  )
  AND NOT EXISTS (
    SELECT FROM bank_match
    WHERE target_kind = 'payout_line' AND undone_at IS NULL
      AND target_id = 'PTB' || replace(payout_batch.id::text, '-', '')
  )
UNION ALL
SELECT 'PTP' || replace(payout.id::text, '-', ''), payout.run, payout.ended_at, payout.amount_minor
FROM near
JOIN payout ON payout.id = near.id
JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
WHERE {is_kept};

-- name: lines_of_payouts
-- At most $1 bank lines that are certainly a subscriber's payout or a batch of them, and its reference. A debit of a
-- refused payout, or of its whole batch, is explained too: its credit follows.
WITH free AS MATERIALIZED (
    SELECT id, amount_minor, end_to_end_id, batch_id
    FROM bank_line
    WHERE (end_to_end_id ~ '^PTP[0-9a-f]{32}$' OR end_to_end_id = '' AND batch_id ~ '^PTB[0-9a-f]{32}$')
      AND NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
), matched AS MATERIALIZED (
    SELECT target_id, sign(amount_minor) AS direction
    FROM bank_match
    WHERE target_kind = 'payout_line' AND undone_at IS NULL
), single AS (
    SELECT
        free.id AS line,
        free.amount_minor,
        free.end_to_end_id AS target,
        payout.state,
        row_number() OVER (PARTITION BY free.end_to_end_id, sign(free.amount_minor) ORDER BY free.id) AS turn,
        EXISTS (
            SELECT FROM matched WHERE target_id = free.end_to_end_id AND direction = sign(free.amount_minor)
        ) AS is_known,
        EXISTS (
            SELECT FROM matched
            WHERE direction < 0
              AND target_id IN (free.end_to_end_id, 'PTB' || replace(payout_batch.id::text, '-', ''))
        ) AS is_debited
    FROM free
    JOIN payout ON payout.id = substr(free.end_to_end_id, 4)::uuid AND payout.amount_minor = abs(free.amount_minor)
    JOIN payout_run ON payout_run.id = payout.run AND payout_run.moved_by IS NOT NULL
    JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
    WHERE free.end_to_end_id <> ''
), whole AS (
    SELECT
        free.id AS line,
        free.amount_minor,
        free.batch_id AS target,
        row_number() OVER (PARTITION BY free.batch_id ORDER BY free.id) AS turn
    FROM free
    JOIN payout_batch ON payout_batch.id = substr(free.batch_id, 4)::uuid
    JOIN payout_run ON payout_run.id = payout_batch.run AND payout_run.moved_by IS NOT NULL
    WHERE free.end_to_end_id = '' AND free.amount_minor < 0
      AND (
        -free.amount_minor = payout_batch.amount_minor
        OR -free.amount_minor = (
            SELECT sum(amount_minor)
            FROM payout
            WHERE payout.run = payout_batch.run AND payout.batch = payout_batch.number AND payout.state = 'open'
        )
      )
      AND NOT EXISTS (SELECT FROM matched WHERE target_id = free.batch_id)
      AND NOT EXISTS (
        SELECT FROM payout
        JOIN matched ON target_id = 'PTP' || replace(payout.id::text, '-', '')
        WHERE payout.run = payout_batch.run AND payout.batch = payout_batch.number
      )
)
SELECT line, amount_minor, target
FROM single
WHERE turn = 1 AND NOT is_known
  AND CASE WHEN amount_minor < 0 THEN state IN ('open', 'failed') AND NOT is_debited ELSE is_debited END
UNION ALL
SELECT line, amount_minor, target
FROM whole
WHERE turn = 1
ORDER BY line
LIMIT $1;

-- name: paid_payouts
-- Open payouts with their debit, or their batch's, on a statement.
SELECT payout.id
FROM bank_match
JOIN payout ON payout.id = substr(target_id, 4)::uuid
WHERE target_kind = 'payout_line' AND target_id ~ '^PTP[0-9a-f]{32}$' AND undone_at IS NULL
  AND -bank_match.amount_minor = payout.amount_minor AND payout.state = 'open'
UNION
SELECT payout.id
FROM bank_match
JOIN payout_batch ON payout_batch.id = substr(target_id, 4)::uuid
JOIN payout ON payout.run = payout_batch.run AND payout.batch = payout_batch.number
WHERE target_kind = 'payout_line' AND target_id ~ '^PTB[0-9a-f]{32}$' AND undone_at IS NULL
  AND bank_match.amount_minor < 0 AND payout.state = 'open';

-- name: returned_payouts
-- Settled payouts whose money a bank line returned, with the bank's reason.
SELECT payout.id, bank_line.return_reason
FROM bank_match
JOIN bank_line ON bank_line.id = bank_match.line
JOIN payout ON payout.id = substr(target_id, 4)::uuid
WHERE target_kind = 'payout_line' AND target_id ~ '^PTP[0-9a-f]{32}$' AND undone_at IS NULL
  AND bank_match.amount_minor = payout.amount_minor AND payout.state = 'settled';

-- name: certain_pairs
-- Bank lines and payouts of Stripe's that leave no doubt: the same amount, at most $2 days apart, and either the line
-- names the payout, or Stripe paid it and no other payout fits. $1 the currency of the books.
WITH line AS MATERIALIZED (
    SELECT
        id,
        amount_minor,
        booked_on,
        lower(concat_ws(' ', remittance, end_to_end_id, transaction_id)) AS words,
        lower(counterparty) LIKE '%stripe%' OR lower(remittance) LIKE '%stripe%' AS is_stripe
    FROM bank_line
    WHERE NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
), open_payout AS MATERIALIZED ({unmatched_payouts}
), pair AS (
    SELECT
        line.id AS line,
        open_payout.id AS target,
        line.amount_minor,
        is_stripe,
        position(lower(open_payout.id) IN words) > 0 AS is_named
    FROM line
    JOIN open_payout USING (amount_minor)
    WHERE booked_on BETWEEN (open_payout.at AT TIME ZONE 'Europe/Paris')::date - 1
                        AND (open_payout.at AT TIME ZONE 'Europe/Paris')::date + $2::int
), counted AS (
    SELECT
        *,
        count(*) OVER (PARTITION BY line) AS targets,
        count(*) OVER (PARTITION BY target) AS lines,
        count(*) FILTER (WHERE is_named) OVER (PARTITION BY line) AS targets_named,
        count(*) FILTER (WHERE is_named) OVER (PARTITION BY target) AS lines_named
    FROM pair
)
SELECT line, target, amount_minor, is_named
FROM counted
WHERE is_named AND targets_named = 1 AND lines_named = 1
   OR NOT is_named AND is_stripe AND targets = 1 AND lines = 1
ORDER BY line;

-- name: owed_orders
-- Orders that a bank line could pay, with the cents they owe after Stripe's money and other lines; for a sale on credit
-- also after returns, below zero if money is to be transferred back. Those with the ids $4 and the numbers $2, and the
-- $3 nearest to the amount $1 each way; $5 the account of partners that pay at once.
SELECT
    purchase_order.id::text AS id,
    purchase_order.number,
    company,
    purchase_order.ordered_at AS at,
    (
        purchase_order.total_minor
        - coalesce(credit_sale.returned_minor, 0)
        - coalesce((
            SELECT sum(amount_minor)
            FROM balance_transaction
            WHERE payment_subject = purchase_order.id AND category IN ('charge', 'charge_failure')
        ), 0)
        - coalesce((
            SELECT sum(amount_minor)
            FROM bank_match
            WHERE target_kind = 'order' AND target_id = purchase_order.id::text AND undone_at IS NULL
        ), 0)
    )::bigint AS amount_minor,
    credit_sale.subject IS NOT NULL AS is_on_credit
FROM purchase_order
JOIN partner ON partner.id = purchase_order.partner
LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
WHERE purchase_order.id = ANY (ARRAY(SELECT orders_near($1, $2, $3, $5) UNION ALL SELECT unnest($4::uuid[])))
  AND (purchase_order.state IN ('awaiting_payment', 'paid') OR credit_sale.subject IS NOT NULL);

-- name: gaps
-- Statements that do not begin where the previous one ended, or whose number is not the next one.
SELECT iban, statement_id, opened_on, before_id, opening_minor - before_closing_minor AS missing_minor
FROM (
    SELECT
        iban,
        statement_id,
        opened_on,
        opening_minor,
        sequence,
        lag(statement_id) OVER in_order AS before_id,
        lag(closing_minor) OVER in_order AS before_closing_minor,
        lag(sequence) OVER in_order AS before_sequence
    FROM bank_statement
    WINDOW in_order AS (PARTITION BY iban ORDER BY closed_on, opened_on, sequence, page_of(statement_id), id)
) AS statement
WHERE before_id IS NOT NULL AND (opening_minor <> before_closing_minor OR sequence > before_sequence + 1);

-- name: list_accounts
-- Our bank accounts: the latest statement of each, its closing balance, and the number of unexplained lines.
SELECT
    bank_account.iban,
    last.closed_on,
    last.closing_minor,
    last.statement_id,
    (
        SELECT count(*)
        FROM bank_line
        WHERE bank_line.iban = bank_account.iban
          AND NOT EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
    ) AS unexplained
FROM bank_account
JOIN LATERAL (
    SELECT closed_on, closing_minor, statement_id
    FROM bank_statement
    WHERE bank_statement.iban = bank_account.iban
    ORDER BY closed_on DESC, opened_on DESC, sequence DESC NULLS LAST, page_of(statement_id) DESC, id DESC
    LIMIT 1
) AS last ON true
ORDER BY bank_account.iban;

-- name: statements
-- Imported statements, to be sorted, with who imported each and its number of explained lines; only of the account $1
-- if that is not empty.
SELECT
    bank_statement.id,
    statement_id,
    opened_on,
    closed_on,
    opening_minor,
    closing_minor,
    line_count,
    imported_at,
    person.name AS by_name,
    (
        SELECT count(*)
        FROM bank_line
        WHERE statement = bank_statement.id
          AND EXISTS (SELECT FROM bank_match WHERE line = bank_line.id AND undone_at IS NULL)
    ) AS explained
FROM bank_statement
LEFT JOIN person ON person.id = imported_by
WHERE $1 = '' OR iban = $1;

-- name: list_lines
-- $2 lines of the statement $1 after the first $3, in its order, each with the kinds of its explanations,
-- comma-separated.
SELECT
    bank_line.id,
    reference,
    booked_on,
    bank_line.amount_minor,
    counterparty,
    remittance,
    coalesce(string_agg(target_kind, ',' ORDER BY bank_match.amount_minor, bank_match.id), '') AS kinds
FROM bank_line
LEFT JOIN bank_match ON line = bank_line.id AND undone_at IS NULL
WHERE statement = $1
GROUP BY bank_line.id
ORDER BY bank_line.id
LIMIT $2
OFFSET $3;

-- name: write_lines
-- Writes the lines of the statement $1 of the account $2 and returns them. The columns of the lines: $3 reference, $4
-- day booked, $5 day of value, $6 amount, $7 end-to-end id, $8 batch, $9 transaction, $10 counterparty, $11 its IBAN,
-- $12 remittance, $13 code, $14 reason of a return.
INSERT INTO bank_line (
    statement, iban, reference, booked_on, value_on, amount_minor, end_to_end_id, batch_id, transaction_id,
    counterparty, counterparty_iban, remittance, code, return_reason
)
SELECT $1, $2, given.*
FROM unnest(
    $3::text[], $4::date[], $5::date[], $6::bigint[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[],
    $12::text[], $13::text[], $14::text[]
) AS given
RETURNING id, reference, booked_on, amount_minor;

-- name: vat_settled_since
-- The sum of movements by matches on the accounts $1 from $2 on, in entries of the kinds $3 and their reversals:
-- credits minus debits, in cents.
SELECT
    bank_match.account,
    sum(
        CASE bank_match.account WHEN posting.credit THEN posting.amount_minor ELSE -posting.amount_minor END
    )::bigint AS minor
FROM bank_match
JOIN journal_entry AS own ON own.kind = ANY ($3::text[]) AND own.source_id = bank_match.id::text
JOIN journal_entry AS entry ON entry.id = own.id OR entry.reverses = own.id
JOIN posting ON posting.entry = entry.id
WHERE bank_match.account = ANY ($1::text[])
  AND entry.at >= $2
GROUP BY bank_match.account;

-- name: write_matches
-- Writes explanations of lines, by the person $1 (null: the job) at $2. The columns of the matches: $3 id, $4 line, $5
-- kind, $6 target, $7 amount, $8 account, $9 score, $10 reasons.
INSERT INTO bank_match (id, line, target_kind, target_id, amount_minor, account, person, score, reasons, matched_at)
SELECT given.id, line, kind, target, amount, account, $1, score, reasons, $2
FROM unnest(
    $3::uuid[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::text[], $9::integer[], $10::text[]
) AS given (id, line, kind, target, amount, account, score, reasons);

-- name: under_way_differs
-- The balance in transit to subscribers, the account $1, if it differs from payouts sent less returned ones, those that
-- the bank and Stripe (in the currency $2) have paid, and write-offs.
SELECT
    books.minor AS books_minor,
    sent.minor + bank.minor + stripe.minor + written_off.minor AS under_way_minor
FROM (
    SELECT coalesce(sum(CASE $1::text WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
    FROM posting
    WHERE $1 IN (debit, credit)
) AS books
CROSS JOIN (
    SELECT coalesce(sum(payout.amount_minor), 0) AS minor
    FROM payout
    JOIN payout_run ON payout_run.id = payout.run
    WHERE moved_by IS NOT NULL AND payout.state IN ('open', 'settled')
) AS sent
CROSS JOIN (
    SELECT coalesce(sum(amount_minor), 0) AS minor
    FROM bank_match
    WHERE account = $1 AND undone_at IS NULL
) AS bank
CROSS JOIN (
    SELECT coalesce(sum(amount_minor), 0) AS minor
    FROM balance_transaction
    WHERE category IN ('transfer', 'transfer_reversal') AND currency = $2::text
) AS stripe
CROSS JOIN (
    SELECT coalesce(sum(CASE $1 WHEN credit THEN amount_minor ELSE -amount_minor END), 0) AS minor
    FROM posting
    JOIN journal_entry ON journal_entry.id = posting.entry
    WHERE $1 IN (debit, credit) AND 'write_off' IN (
        kind,
        (SELECT reversed.kind FROM journal_entry AS reversed WHERE reversed.id = journal_entry.reverses)
    )
) AS written_off
WHERE books.minor <> sent.minor + bank.minor + stripe.minor + written_off.minor;

-- name: closing_before
-- The closing balance of the last statement of the account $1 that closed by the day $2, other than the statement $3.
SELECT closing_minor
FROM bank_statement
WHERE iban = $1 AND closed_on <= $2 AND statement_id <> $3
ORDER BY closed_on DESC, opened_on DESC, id DESC
LIMIT 1;

-- name: last_closing
-- The closing balance of the last statement of the account $1, in cents.
SELECT closing_minor
FROM bank_statement
WHERE iban = $1
ORDER BY closed_on DESC, opened_on DESC, sequence DESC NULLS LAST, page_of(statement_id) DESC, id DESC
LIMIT 1;

-- name: list_known_movements
-- Of the references $2 of the account $1 those on a statement or in a notification, a statement's figures first.
SELECT DISTINCT ON (reference)
    reference,
    amount_minor,
    booked_on,
    EXISTS (
        SELECT FROM bank_notice WHERE bank_notice.iban = $1 AND bank_notice.reference = known.reference
    ) AS is_announced
FROM (
    SELECT reference, amount_minor, booked_on, 0 AS place FROM bank_line WHERE iban = $1 AND reference = ANY ($2)
    UNION ALL
    SELECT reference, amount_minor, booked_on, 1 FROM bank_notice WHERE iban = $1 AND reference = ANY ($2)
) AS known
ORDER BY reference, place;

-- name: awaited
-- Banks' announcements that no statement has: neither the same reference, nor its entry as one line, nor the entry's
-- parts if it was announced as one; nor, without references of the bank's, as many equal lines as were announced.
SELECT id, iban, notice_id, reference, booked_on, amount_minor, counterparty, remittance
FROM (
    SELECT
        bank_notice.*,
        sum(amount_minor) OVER (PARTITION BY iban, entry) AS entry_minor,
        row_number() OVER (PARTITION BY iban, booked_on, amount_minor, end_to_end_id ORDER BY id) AS place
    FROM bank_notice
) AS notice
WHERE NOT EXISTS (
    SELECT FROM bank_line AS line
    WHERE line.iban = notice.iban
      AND (
          line.reference = notice.reference AND line.amount_minor = notice.amount_minor
          OR line.reference = notice.entry AND line.amount_minor = notice.entry_minor
          OR line.reference = notice.entry || '/1' AND notice.reference = notice.entry
      )
) AND place > (
    SELECT count(*)
    FROM bank_line AS line
    WHERE line.iban = notice.iban
      AND line.booked_on = notice.booked_on
      AND line.amount_minor = notice.amount_minor
      AND line.end_to_end_id = notice.end_to_end_id
);
