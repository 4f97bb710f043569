-- fragment: due_by_transfer
-- Everyone due by bank transfer: $1 the common threshold in cents, $2 the present instant.
SELECT details.subscriber, details.id AS details, NULL AS stripe_account, sum(payable_micro) AS payable_micro
FROM bank_details AS details
JOIN payable_movements() AS moved ON moved.subscriber = details.subscriber
LEFT JOIN payout_choice ON payout_choice.subscriber = details.subscriber
WHERE details.ended_at IS NULL AND refused_at IS NULL AND held_at IS NULL AND details.usable_from <= $2
  AND stripe_account IS NULL
  AND (payout_choice.way IS NULL OR payout_choice.way = 'bank' OR payout_choice.is_last)
  AND NOT EXISTS (SELECT FROM payout WHERE payout.subscriber = details.subscriber AND payout.state = 'open')
GROUP BY details.id, payout_choice.threshold_minor, payout_choice.is_last
HAVING sum(payable_micro) >= CASE
    WHEN payout_choice.is_last THEN 1
    ELSE greatest($1, payout_choice.threshold_minor)
END * 10000

-- fragment: due_at_stripe
-- Everyone due through Stripe: $1 the common threshold in cents, $2 the present instant.
SELECT choice.subscriber, NULL::uuid AS details, choice.stripe_account, sum(payable_micro) AS payable_micro
FROM payout_choice AS choice
JOIN payable_movements() AS moved ON moved.subscriber = choice.subscriber
WHERE choice.stripe_account IS NOT NULL AND choice.stripe_from <= $2 AND (choice.way = 'bank' OR choice.is_last)
  AND NOT EXISTS (SELECT FROM payout WHERE payout.subscriber = choice.subscriber AND payout.state = 'open')
GROUP BY choice.subscriber
HAVING sum(payable_micro) >= CASE WHEN choice.is_last THEN 1 ELSE greatest($1, choice.threshold_minor) END * 10000

-- name: stage_payees
-- A table of the transaction: the payees of a run, in whole cents, with their place in it, from 1.
CREATE TEMP TABLE payee (
    place int,
    subscriber bigint,
    details uuid,
    stripe_account text,
    amount_minor bigint
);

-- fragment: find_payees
-- The end of a statement that begins with the people who are owed: writes them into the table `payee`; whole cents
-- only, the millionths stay.
INSERT INTO payee (place, subscriber, details, stripe_account, amount_minor)
SELECT
    row_number() OVER (ORDER BY subscriber),
    subscriber,
    details,
    stripe_account,
    div(payable_micro, 10000)::bigint AS amount_minor
FROM owed

-- name: find_payees_by_transfer
-- Writes everyone due by bank transfer into the table `payee`: $1 the common threshold in cents, $2 now.
WITH owed AS (
{due_by_transfer}
)
{find_payees};

-- name: find_payees_at_stripe
-- Writes everyone due through Stripe into the table `payee`: $1 the common threshold in cents, $2 now.
WITH owed AS (
{due_at_stripe}
)
{find_payees};

-- name: draft_run
-- The run $1 of everyone in the table `payee`, with its batches: $2 its route, $3 the threshold, $4 now, $5 who drafts
-- it, or null, $6 payees per batch, $7 the steps of its chart in cents.
WITH run AS (
    INSERT INTO payout_run (id, route, state, threshold_minor, amount_minor, people, drafted_at, prepared_by, spread)
    SELECT
        $1,
        $2,
        'draft',
        $3,
        sum(amount_minor),
        count(*),
        $4,
        $5,
        (
            SELECT array_agg(coalesce(found.people, 0) ORDER BY step)
            FROM generate_subscripts($7::bigint[], 1) AS step
            LEFT JOIN (
                SELECT width_bucket(amount_minor, $7::bigint[]) AS bucket, count(*) AS people
                FROM payee
                GROUP BY bucket
            ) AS found ON found.bucket = step
        )
    FROM payee
    RETURNING id
)
INSERT INTO payout_batch (id, run, number, amount_minor, people)
SELECT gen_random_uuid(), run.id, (place - 1) / $6 + 1 AS number, sum(amount_minor), count(*)
FROM payee, run
GROUP BY run.id, number;

-- name: draft_payouts
-- The payouts of the run $1 to the payees at the places $2 to $3: $4 payees per batch, $5 four bytes and $6 a secret,
-- both drawn once per run and never stored. Their ids are in the order of their places, so that the index grows at its
-- end; half of each id is hashed from the secret, because drawing each takes ten times as long.
INSERT INTO payout (id, run, batch, subscriber, details, stripe_account, amount_minor, state)
SELECT
    encode(
        $5::bytea || int4send(place) || substring(sha256($6::bytea || int8send(subscriber)) FROM 1 FOR 8), 'hex'
    )::uuid,
    $1,
    (place - 1) / $4 + 1,
    subscriber,
    details,
    stripe_account,
    amount_minor,
    'open'
FROM payee
WHERE place BETWEEN $2 AND $3
ORDER BY place;

-- name: count_due_by_transfer
-- How many are due by bank transfer, and the sum in whole cents; $1 the common threshold, $2 now.
SELECT count(*) AS people, coalesce(sum(div(payable_micro, 10000)), 0)::bigint AS amount_minor
FROM ({due_by_transfer}) AS owed;

-- name: count_due_at_stripe
-- How many are due through Stripe, and the sum in whole cents; $1 the common threshold, $2 now.
SELECT count(*) AS people, coalesce(sum(div(payable_micro, 10000)), 0)::bigint AS amount_minor
FROM ({due_at_stripe}) AS owed;

-- name: count_waiting
-- How many have at least the threshold $1, in cents, without bank details, and the sum in whole cents.
SELECT count(*) AS people, coalesce(sum(div(payable_micro, 10000)), 0)::bigint AS amount_minor
FROM (
    SELECT sum(payable_micro) AS payable_micro
    FROM payable_movements() AS moved
    WHERE NOT EXISTS (
        SELECT FROM bank_details
        WHERE bank_details.subscriber = moved.subscriber AND ended_at IS NULL AND refused_at IS NULL
    )
    GROUP BY subscriber
    HAVING sum(payable_micro) >= $1 * 10000
) AS waiting;

-- name: fail_payouts
-- Fails the payouts $1[i], unless they failed before, for the reason $2[i], recredited by the share run $3, at $4.
-- Reasons $5 refuse the account itself: its bank details are marked.
WITH failed AS (
    UPDATE payout
    SET state = 'failed', reason = refused.reason, ended_at = $4, recredited_by = $3
    FROM unnest($1::uuid[], $2::text[]) AS refused (id, reason)
    WHERE payout.id = refused.id AND payout.state <> 'failed'
    RETURNING payout.details, payout.reason
), marked AS (
    UPDATE bank_details
    SET refused_at = $4, refused_reason = failed.reason
    FROM failed
    WHERE bank_details.id = failed.details AND failed.reason = ANY ($5) AND refused_at IS NULL
)
SELECT count(*) AS people
FROM failed;

-- name: end_runs
-- Ends the runs among the sent runs $1 that have no open payout any more, at $2.
UPDATE payout_run
SET
    ended_at = $2,
    state = CASE
        WHEN EXISTS (SELECT FROM payout WHERE payout.run = payout_run.id AND payout.state = 'settled') THEN 'settled'
        ELSE 'failed'
    END
WHERE id = ANY ($1) AND state = 'sent'
  AND NOT EXISTS (SELECT FROM payout WHERE payout.run = payout_run.id AND payout.state = 'open');

-- name: list_payouts_with_batches
-- The payouts of the batches $2 to $3 of the run $1, each with its batch.
SELECT payout.id, payout.state, payout_batch.id AS batch
FROM payout
JOIN payout_batch ON payout_batch.run = payout.run AND payout_batch.number = payout.batch
WHERE payout.run = $1 AND payout.batch BETWEEN $2 AND $3;

-- name: list_payees
-- The payees of batch $2 of the run $1 that are not left out and whose payout had not failed by $3, with their sealed
-- bank details. A payout that fails later is still in the file that was written before.
SELECT payout.id, payout.amount_minor, payout.subscriber, payout.details, bank_details.key_id, bank_details.sealed
FROM payout
JOIN bank_details ON bank_details.id = payout.details
WHERE payout.run = $1 AND payout.batch = $2 AND (payout.state <> 'failed' OR payout.ended_at > $3)
  AND NOT EXISTS (
      SELECT FROM payee_check WHERE payee_check.payout = payout.id AND payee_check.decision = 'left_out'
  )
ORDER BY payout.id;

-- name: end_former_choices
-- Deletes the payment choices of earlier holders of the line $1, or (null) of any line, except for last payouts of
-- lines that have not been claimed since.
DELETE FROM payout_choice
USING subscriber
WHERE reference = subscriber AND ($1::bigint IS NULL OR subscriber = $1)
  AND (claimed_at IS NULL AND NOT is_last OR claimed_at > chosen_at)
RETURNING stripe_account;

-- name: end_former_details
-- Ends, at $2, the bank details of earlier holders of the line $1, or (null) of any line.
UPDATE bank_details
SET ended_at = $2
FROM subscriber
WHERE reference = subscriber AND ($1::bigint IS NULL OR subscriber = $1) AND ended_at IS NULL
  AND (claimed_at IS NULL OR claimed_at > added_at)
  AND NOT EXISTS (
      SELECT FROM payout_choice
      WHERE payout_choice.subscriber = bank_details.subscriber AND is_last AND claimed_at IS NULL
  );

-- name: end_last_payouts
-- Deletes the records of last payouts that have ended, or that were chosen before $1.
DELETE FROM payout_choice
WHERE is_last
  AND NOT EXISTS (SELECT FROM payout WHERE payout.subscriber = payout_choice.subscriber AND payout.state = 'open')
  AND (
      chosen_at < $1
      OR EXISTS (
          SELECT
          FROM payout
          WHERE payout.subscriber = payout_choice.subscriber AND payout.state IN ('settled', 'failed')
            AND payout.ended_at >= chosen_at
      )
      OR (SELECT coalesce(sum(payable_micro), 0) FROM payable_movements() AS moved
          WHERE moved.subscriber = payout_choice.subscriber) < 10000
  )
RETURNING stripe_account;

-- name: forget_details
-- Deletes the ended bank details of the line $1, or (null) of every line whose holder erased themselves, except those
-- that an open payout needs; not even four characters are left.
UPDATE bank_details
SET sealed = NULL, fingerprint = '', last_four = '0000'
FROM subscriber
WHERE reference = subscriber AND (subscriber = $1 OR $1 IS NULL AND added_at <= erased_at)
  AND ended_at IS NOT NULL AND last_four <> '0000'
  AND NOT EXISTS (
      SELECT
      FROM payout
      WHERE payout.subscriber = bank_details.subscriber AND payout.details = bank_details.id AND payout.state = 'open'
  );

-- name: choose_stripe
-- Pays the line $1 at the Stripe account $2 from $3 on, chosen at $4; the same account again changes nothing.
INSERT INTO payout_choice (subscriber, threshold_minor, stripe_account, stripe_from, chosen_at)
VALUES ($1, 0, $2, $3, $4)
ON CONFLICT (subscriber) DO UPDATE
SET stripe_account = excluded.stripe_account, stripe_from = excluded.stripe_from, chosen_at = excluded.chosen_at
WHERE payout_choice.stripe_account IS DISTINCT FROM excluded.stripe_account;

-- name: list_payouts
-- One page of the payouts to the holder of the line $1, the latest first, without the cancelled ones; $2 rows, $3 rows
-- to skip.
SELECT
    payout.id,
    payout.amount_minor,
    payout.state,
    payout.reason,
    payout.ended_at,
    payout_run.state AS run_state,
    payout_run.sent_at,
    payout_run.execute_on,
    payout_run.drafted_at,
    last_four
FROM payout
JOIN payout_run ON payout_run.id = payout.run
JOIN subscriber ON reference = payout.subscriber AND drafted_at >= coalesce(claimed_at, '-infinity')
LEFT JOIN bank_details ON bank_details.id = payout.details
WHERE payout.subscriber = $1 AND payout.state <> 'cancelled'
ORDER BY payout_run.drafted_at DESC, payout.id
LIMIT $2
OFFSET $3;

-- name: list_payouts_sent
-- The payouts to the holder of the line $1 sent in [$2, $3), the earliest first.
SELECT payout.amount_minor, payout.state, payout_run.sent_at
FROM payout
JOIN payout_run ON payout_run.id = payout.run
JOIN subscriber ON reference = payout.subscriber AND drafted_at >= coalesce(claimed_at, '-infinity')
WHERE payout.subscriber = $1 AND payout_run.sent_at >= $2 AND payout_run.sent_at < $3
ORDER BY payout_run.sent_at, payout.id;

-- name: list_details
-- The latest ten changes of the bank details of the holder of the line $1, in their visible part.
SELECT last_four, country, added_at, usable_from, ended_at, refused_at, refused_reason, held_at
FROM bank_details
JOIN subscriber ON reference = subscriber AND added_at >= claimed_at
WHERE subscriber = $1
ORDER BY added_at DESC
LIMIT 10;

-- fragment: runs
-- Payout runs with the names of the people who decided them; a statement adds which runs.
SELECT
    payout_run.id,
    payout_run.route,
    payout_run.state,
    payout_run.threshold_minor,
    payout_run.amount_minor,
    payout_run.people,
    payout_run.spread,
    payout_run.shared,
    payout_run.drafted_at,
    payout_run.prepared_by,
    prepared.name AS prepared_name,
    approved.name AS approved_name,
    payout_run.approved_at,
    payout_run.reason,
    cancelled.name AS cancelled_name,
    payout_run.cancelled_reason,
    payout_run.sent_at,
    payout_run.execute_on,
    payout_run.file_sha256,
    payout_run.file_sequence,
    payout_run.send_asked_at,
    payout_run.send_problem,
    payout_run.replace_asked_at,
    payout_run.ended_at
FROM payout_run
LEFT JOIN person AS prepared ON prepared.id = prepared_by
LEFT JOIN person AS approved ON approved.id = approved_by
LEFT JOIN person AS cancelled ON cancelled.id = cancelled_by

-- name: runs_in_state
-- The runs of the state $1, or (empty) of any, to be sorted.
{runs}
WHERE $1 = '' OR state = $1;

-- name: get_run_with_names
-- The run $1.
{runs}
WHERE payout_run.id = $1;

-- fragment: shared_accounts
-- How many payees of the run $1 have the IBAN of another line.
SELECT count(*) AS people
FROM payout
JOIN bank_details ON bank_details.id = payout.details
WHERE payout.run = $1
  AND EXISTS (
      SELECT FROM bank_details AS other
      WHERE other.fingerprint = bank_details.fingerprint AND other.subscriber <> bank_details.subscriber
        AND other.ended_at IS NULL
  )

-- name: count_shared_accounts
-- How many payees of the run $1 have the IBAN of another line.
{shared_accounts};

-- name: keep_shared_accounts
-- Stores with the run $1 how many of its payees have the IBAN of another line.
UPDATE payout_run
SET shared = ({shared_accounts})
WHERE id = $1;

-- name: list_run_payouts
-- The payouts of the run $1, of the state $2 or (empty) of any.
SELECT
    payout.subscriber,
    payout.stripe_account,
    payout.amount_minor,
    payout.state,
    payout.reason,
    last_four,
    bank_details.country
FROM payout
LEFT JOIN bank_details ON bank_details.id = payout.details
WHERE payout.run = $1 AND ($2 = '' OR payout.state = $2);

-- name: runs_unlike_their_payouts
-- The share runs of payouts whose amount differs from their payout run, from the recredited payouts, or from the books.
-- Accounts: $1 payable, $2 in transit.
SELECT share_run.id AS run, kind, share_run.amount_minor, whole.amount_minor AS payouts_minor
FROM share_run
LEFT JOIN LATERAL (
    SELECT sum(amount_minor) AS amount_minor, min(id::text) AS source_id
    FROM payout_run
    WHERE moved_by = share_run.id AND share_run.kind = 'payout'
    UNION ALL
    SELECT sum(amount_minor), share_run.id::text
    FROM payout
    WHERE recredited_by = share_run.id AND share_run.kind = 'payout_back'
) AS whole ON whole.amount_minor IS NOT NULL
WHERE share_run.kind IN ('payout', 'payout_back')
  AND (
      whole.amount_minor IS DISTINCT FROM share_run.amount_minor
      OR share_run.amount_minor IS DISTINCT FROM (
          SELECT sum(posting.amount_minor)
          FROM journal_entry
          JOIN posting ON posting.entry = journal_entry.id
          WHERE journal_entry.kind = CASE share_run.kind WHEN 'payout' THEN 'payout_sent' ELSE 'payout_back' END
            AND journal_entry.source_id = whole.source_id
            AND (posting.debit, posting.credit) = (
                CASE share_run.kind WHEN 'payout' THEN $1::text ELSE $2::text END,
                CASE share_run.kind WHEN 'payout' THEN $2 ELSE $1 END
            )
      )
  );

-- name: list_unverified
-- At most $2 payees of the run $1 that the bank was not asked about, with their sealed bank details.
SELECT payout.id, payout.subscriber, payout.details, bank_details.key_id, bank_details.sealed
FROM payout
JOIN bank_details ON bank_details.id = payout.details
WHERE payout.run = $1 AND NOT EXISTS (SELECT FROM payee_check WHERE payee_check.payout = payout.id)
ORDER BY payout.id
LIMIT $2;

-- name: write_checks
-- Writes the bank's answers about payouts' names: $1 payouts, $2 outcomes, $3 whether by API or file, $4 now. A payout
-- with a decision does not change.
INSERT INTO payee_check (payout, outcome, source, checked_at)
SELECT given.payout, given.outcome, $3, $4
FROM unnest($1::uuid[], $2::text[]) AS given (payout, outcome)
ON CONFLICT (payout) DO UPDATE
SET outcome = excluded.outcome, source = excluded.source, checked_at = excluded.checked_at
WHERE payee_check.decision IS NULL;

-- name: decide_checks
-- Decides $3 for the payees of the run $1 with the outcome $2, by $4 at $5; returns how many had no decision.
WITH decided AS (
    UPDATE payee_check
    SET decision = $3, decided_by = $4, decided_at = $5
    FROM payout
    WHERE payout.id = payee_check.payout AND payout.run = $1 AND payout.state = 'open'
      AND payee_check.outcome = $2 AND payee_check.decision IS NULL
    RETURNING payee_check.payout
)
SELECT count(*) FROM decided;

-- name: list_differing
-- The payees of the run $1 whose name does not match.
SELECT payout.subscriber, bank_details.last_four, bank_details.country, payee_check.outcome, payout.amount_minor
FROM payout
JOIN payee_check ON payee_check.payout = payout.id
JOIN bank_details ON bank_details.id = payout.details
WHERE payout.run = $1 AND payee_check.outcome <> 'match';

-- name: sum_paid
-- How many the batches $2 to $3 of the run $1 pay, and the sum in cents: all but payees who are left out or whose
-- payout had failed by $4.
SELECT count(*) AS people, coalesce(sum(payout.amount_minor), 0)::bigint AS amount_minor
FROM payout
LEFT JOIN payee_check ON payee_check.payout = payout.id
WHERE payout.run = $1 AND payout.batch BETWEEN $2 AND $3 AND payee_check.decision IS DISTINCT FROM 'left_out'
  AND (payout.state <> 'failed' OR payout.ended_at > $4);

-- name: list_files
-- The files of the run $1.
SELECT id, number, first_batch, last_batch, sequence, people, amount_minor, made_at, execute_on, file_sha256
FROM payout_file
WHERE run = $1
ORDER BY number;

-- name: record_files
-- Records files of the run $1, made at $2; replaces a file that exists.
INSERT INTO payout_file (
    run, made_at, id, number, first_batch, last_batch, sequence, people, amount_minor, execute_on, file_sha256
)
SELECT $1, $2, id, number, first_batch, last_batch, sequence, people, amount_minor, execute_on, file_sha256
FROM unnest(
    $3::uuid[], $4::int[], $5::int[], $6::int[], $7::int[], $8::bigint[], $9::bigint[], $10::date[], $11::text[]
) AS given (id, number, first_batch, last_batch, sequence, people, amount_minor, execute_on, file_sha256)
ON CONFLICT (id) DO UPDATE
SET
    sequence = excluded.sequence,
    people = excluded.people,
    amount_minor = excluded.amount_minor,
    made_at = excluded.made_at,
    execute_on = excluded.execute_on,
    file_sha256 = excluded.file_sha256;

-- name: has_unanswered_file
-- Whether a file of the run $1 has no answer from the bank yet.
SELECT EXISTS (
    SELECT
    FROM payout_file
    WHERE payout_file.run = $1 AND people > 0
      AND NOT EXISTS (
          SELECT
          FROM payout_answer
          WHERE payout_answer.run = $1 AND payout_answer.file = payout_file.number AND received_at >= made_at
      )
) AS is_waiting;
