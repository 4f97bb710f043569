-- fragment: split_figures
-- The figures of a split from which every share is computed: the fields of `rules.SplitFigures`, in order.
licence_split.pool_minor,
    licence_split.operator_minor,
    licence_split.terms,
    licence_split.top_up_operator_minor,
    licence_split.top_up_platform_minor,
    licence_split.denominator,
    licence_split.shares_micro,
    licence_split.rounding_micro

-- fragment: owed_minor
-- What a split owes all subscribers, in cents.
(shares_micro + rounding_micro) / 10000

-- name: lock_settled_licences
-- Locks the licences to split, at most $1: they have no split; they are paid, with the fee known from Stripe's mirrored
-- balance, or sold on credit, without a fee, and fully paid. The terms to honour are those in force when the price was
-- signed, so that the price could cover them.
SELECT
    licence.id,
    licence.release,
    licence.posted_minor,
    licence.net_minor,
    licence.currency,
    licence.subscribers_basis_points,
    licence.operator_basis_points,
    charged.fee_minor,
    (
        SELECT coalesce(array_agg(contributor_term.id ORDER BY contributor_term.id), '{}')
        FROM contributor_term
        WHERE contributor_term.dataset = release.dataset
          AND contributor_term.starts_at <= quote.quoted_at AND quote.quoted_at < contributor_term.ends_at
    ) AS terms
FROM licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order AND purchase_order.state = 'paid'
JOIN quote ON quote.id = licence.quote
JOIN release ON release.id = licence.release AND release.row_count > 0
JOIN LATERAL (
    SELECT coalesce(
        lot_part(licence.quote, sum(fee_minor)::bigint), CASE WHEN is_credit_settled(purchase_order.id) THEN 0 END
    ) AS fee_minor
    FROM balance_transaction
    WHERE payment_subject = purchase_order.id AND category = 'charge'
) AS charged ON charged.fee_minor IS NOT NULL
WHERE licence.cancelled_at IS NULL
  AND NOT EXISTS (SELECT FROM licence_split WHERE licence_split.licence = licence.id)
ORDER BY licence.release, licence.id
LIMIT $1
FOR NO KEY UPDATE OF licence;

-- fragment: held_splits
-- The held splits; a statement adds which of them to end.
SELECT
    {split_figures},
    licence_split.licence AS id,
    licence.release,
    licence.currency
FROM licence_split
JOIN licence ON licence.id = licence_split.licence
WHERE licence_split.state = 'held'

-- name: begin_close
-- Gives the close $1 the held splits that become the subscribers': the hold ended before $2, no refund is under way,
-- and no dispute reserves the money. The others wait for a later close.
WITH due AS (
    SELECT licence_split.licence
    FROM licence_split
    JOIN licence ON licence.id = licence_split.licence
    WHERE licence_split.state = 'held' AND licence_split.close IS NULL
      AND licence.cancelled_at IS NULL AND licence.contested_at IS NULL AND licence.hold_until < $2
      AND (is_credit_settled(licence.purchase_order) OR EXISTS (
          SELECT FROM payment
          JOIN purchase_order ON purchase_order.id = payment.subject
          WHERE subject = licence.purchase_order AND payment.state = 'paid'
            AND payment.refunded_minor <= purchase_order.returned_minor
            AND purchase_order.charged_back_minor + coalesce((
                SELECT sum(amount_minor)
                FROM balance_transaction
                WHERE payment_subject = purchase_order.id AND category IN ('dispute', 'dispute_reversal')
            ), 0) >= 0
      ))
      AND NOT EXISTS (
          SELECT FROM stripe_command
          WHERE subject = licence.purchase_order AND verb = 'refund' AND state = 'pending'
      )
      AND NOT EXISTS (
          SELECT FROM dispute WHERE payment_subject = licence.purchase_order AND dispute.state = 'open'
      )
      AND NOT EXISTS (
          SELECT FROM payment
          JOIN balance_transaction ON balance_transaction.charge_id = payment.charge_id
          WHERE subject = licence.purchase_order AND category = 'charge_failure'
      )
    ORDER BY licence.release, licence.id
    FOR NO KEY UPDATE OF licence_split, licence
)
UPDATE licence_split
SET close = $1
FROM due
WHERE licence_split.licence = due.licence;

-- name: list_splits_of_close
-- The splits that the close $1 is to release, by release.
{held_splits}
  AND licence_split.close = $1
ORDER BY licence.release, licence.id;

-- name: lock_splits_to_cancel
-- Locks the held splits of licences that were paid back whole, at most $1. Splits that a close is releasing are the
-- subscribers' already; their refund is a loss.
{held_splits}
  AND licence_split.close IS NULL
  AND licence.cancelled_at IS NOT NULL
ORDER BY licence.release, licence.id
LIMIT $1
FOR NO KEY UPDATE OF licence_split, licence SKIP LOCKED;

-- name: lock_splits_with_losses
-- Locks the released splits with refunds that are not entered, at most $1: the shares stay the subscribers', the loss
-- is the operator's.
SELECT
    licence_split.licence AS id,
    licence.currency,
    licence.returned_minor,
    pool_minor,
    operator_minor,
    {owed_minor} AS owed_minor,
    top_up_operator_minor,
    top_up_platform_minor,
    licence.net_minor,
    licence_split.loss_minor AS before_minor,
    licence.returned_minor AS loss_minor
FROM licence_split
JOIN licence ON licence.id = licence_split.licence
WHERE licence_split.state = 'released'
  AND licence.returned_minor > licence_split.loss_minor
ORDER BY licence.id
LIMIT $1
FOR NO KEY UPDATE OF licence_split SKIP LOCKED;

-- name: list_promises
-- The promises to the holder of the line $1 since $2, the latest first: for which dataset's licences, how much, when.
SELECT
    contributor_term.id,
    contributor_term.starts_at,
    contributor_term.ends_at,
    contributor_promise.minimum_micro,
    dataset.code,
    dataset.title_fr,
    dataset.title_en
FROM contributor_term
JOIN contributor_promise ON contributor_promise.term = contributor_term.id AND subscriber = $1 AND ends_at > $2
JOIN dataset ON dataset.code = contributor_term.dataset
ORDER BY ends_at DESC, contributor_term.id
LIMIT 50;

-- name: list_splits
-- The splits that were held at some time in [$1, $2), with the release of each, and how and when it ended.
SELECT
    {split_figures},
    sold_release.number,
    licence.hold_until,
    licence_split.split_at,
    ended.at AS ended_at,
    ended.kind
FROM licence_split
JOIN licence ON licence.id = licence_split.licence
JOIN sold_release ON sold_release.release = licence.release
LEFT JOIN share_run AS ended ON ended.id = licence_split.ended_by
WHERE licence_split.split_at < $2 AND (ended.at IS NULL OR ended.at >= $1);

-- fragment: moved_for_one
-- What each run credited to the balance of the subscriber $1 or debited from it.
(
    SELECT run, payable_micro
    FROM payable_movements() AS payable
    WHERE payable.subscriber = $1
)

-- name: list_months
-- One row per month, in Paris, in which the balance of the subscriber $1 moved, in the year $2 or (null) in any; the
-- latest first, at most $3.
WITH moved AS MATERIALIZED {moved_for_one} -- read once: a plan for any year would read it anew for each run
SELECT
    date_trunc('month', share_run.at AT TIME ZONE 'Europe/Paris')::date AS month,
    coalesce(sum(payable_micro) FILTER (WHERE kind = 'release'), 0)::bigint AS released_micro,
    coalesce(-sum(payable_micro) FILTER (WHERE kind ~ '^(payout|reward)'), 0)::bigint AS paid_micro,
    coalesce(-sum(payable_micro) FILTER (WHERE kind ~ '^reward'), 0)::bigint AS rewarded_micro
FROM moved
JOIN share_run ON share_run.id = moved.run
WHERE $2::int IS NULL OR extract(year FROM share_run.at AT TIME ZONE 'Europe/Paris') = $2
GROUP BY 1
ORDER BY 1 DESC
LIMIT $3;

-- name: list_years
-- The years, in Paris, in which the balance of the subscriber $1 moved, the latest first.
SELECT DISTINCT extract(year FROM share_run.at AT TIME ZONE 'Europe/Paris')::int AS year
FROM {moved_for_one} AS moved
JOIN share_run ON share_run.id = moved.run
ORDER BY 1 DESC;

-- fragment: sold_splits
-- The splits with the licence and the release of each.
FROM licence_split
JOIN licence ON licence.id = licence_split.licence
JOIN sold_release ON sold_release.release = licence.release
JOIN release ON release.id = licence.release

-- name: list_shares
-- The splits of the licences $1, the latest sale first. Another statement chooses them: with the page's bounds
-- PostgreSQL plans each time, which takes longer with every join.
SELECT
    {split_figures},
    licence.id,
    licence.release,
    sold_release.number,
    licence.sold_at,
    licence.hold_until,
    licence.posted_minor,
    licence.currency,
    licence.subscribers_basis_points,
    dataset.title_fr,
    dataset.title_en,
    dataset.area,
    dataset.time_zone,
    release.period_from,
    release.period_to,
    licence_split.state,
    ended.at AS ended_at
{sold_splits}
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN share_run AS ended ON ended.id = licence_split.ended_by
WHERE licence.id = ANY ($1)
ORDER BY licence.sold_at DESC, licence.id;

-- fragment: page_of_sales
-- Of licences sold in [$2, $3) (null: open) of releases that ended after $6: $4 rows, the latest first, from $5.
AND ($2::timestamptz IS NULL OR licence.sold_at >= $2) AND ($3::timestamptz IS NULL OR licence.sold_at < $3)
AND release.period_to > $6
ORDER BY licence.sold_at DESC, licence.id
LIMIT $4
OFFSET $5

-- name: list_sales
-- One page of the licences whose release has its bit, by its number, set in $1: it walks the sales until the page is
-- full.
SELECT licence.id
{sold_splits}
WHERE CASE WHEN sold_release.number < 8 * length($1::bytea) THEN get_bit($1, sold_release.number) = 1 ELSE false END
{page_of_sales};

-- name: list_sales_of_few
-- The same for the releases with the numbers $1, which are few: it reads only their sales.
SELECT licence.id
{sold_splits}
WHERE sold_release.number = ANY ($1)
{page_of_sales};

-- name: list_first_without
-- Each dataset of the purposes that the holder of the line $1 since $2 has withdrawn, with its first release after the
-- withdrawal and the period of its latest one, where they exist.
SELECT
    dataset.purpose,
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.time_zone,
    fresh.period_from,
    fresh.period_to,
    fresh.sealed_at,
    latest.period_from AS latest_from,
    latest.period_to AS latest_to
FROM dataset
JOIN LATERAL (
    SELECT given, at
    FROM consent_record
    WHERE consent_record.purpose = dataset.purpose AND consent_record.subscriber = $1 AND at > $2
    ORDER BY at DESC, id DESC
    LIMIT 1
) AS word ON NOT word.given
LEFT JOIN LATERAL (
    SELECT period_from, period_to, sealed_at
    FROM release
    WHERE release.dataset = dataset.code AND state = 'sealed' AND started_at >= word.at
    ORDER BY started_at
    LIMIT 1
) AS fresh ON true
LEFT JOIN LATERAL (
    SELECT period_from, period_to
    FROM release
    WHERE release.dataset = dataset.code AND state = 'sealed'
    ORDER BY period_to DESC
    LIMIT 1
) AS latest ON true
ORDER BY dataset.purpose, dataset.code;

-- name: get_licence_of_order
-- The licence of the lot $3 of the order $1 of the partner $2.
SELECT
    purchase_order.id AS "order",
    order_lot.position AS lot,
    purchase_order.number,
    partner.company,
    licence.id AS licence,
    licence.hold_until,
    licence.posted_minor,
    licence.net_minor,
    licence.currency,
    licence.subscribers_basis_points,
    dataset.title_fr,
    dataset.title_en,
    dataset.area,
    dataset.time_zone,
    release.period_from,
    release.period_to,
    release.published_people
FROM purchase_order
JOIN partner ON partner.id = purchase_order.partner
JOIN order_lot ON order_lot.purchase_order = purchase_order.id AND order_lot.position = $3
JOIN licence ON licence.quote = order_lot.quote
JOIN release ON release.id = licence.release
JOIN dataset ON dataset.code = release.dataset
WHERE purchase_order.id = $1 AND purchase_order.partner = $2;

-- name: get_division
-- How the licence $1 was divided.
SELECT
    licence_split.state,
    licence_split.fee_minor,
    licence_split.distributable_minor,
    licence_split.pool_minor,
    ended.at AS ended_at
FROM licence_split
LEFT JOIN share_run AS ended ON ended.id = licence_split.ended_by
WHERE licence_split.licence = $1;

-- name: owed_unlike_the_books
-- The control accounts, $1 held and $2 payable, that differ in cents from what subscribers are owed in millionths: what
-- held splits owe; ended closes less payments out, and the last carry.
SELECT side.account, side.micro, books.minor
FROM (
    SELECT $1::text AS account, coalesce(sum({owed_minor}), 0) * 10000 AS micro
    FROM licence_split
    WHERE state = 'held'
    UNION ALL
    SELECT
        $2::text,
        coalesce(sum(payable_micro), 0)
            + (SELECT coalesce(sum(shares_micro), 0) FROM share_close WHERE run IS NOT NULL)
            + coalesce((SELECT carry_micro FROM share_close WHERE run IS NOT NULL ORDER BY month DESC LIMIT 1), 0)
    FROM accrual
) AS side
CROSS JOIN LATERAL (
    SELECT coalesce(sum(credit_minor - debit_minor), 0) AS minor
    FROM day_sum
    WHERE day_sum.account = side.account
) AS books
WHERE side.micro <> books.minor * 10000;

-- name: runs_unlike_their_splits
-- The runs of shares whose amount differs from that of the splits they held or ended.
SELECT share_run.id AS run, share_run.kind, amount_minor, coalesce(sum({owed_minor}), 0) AS splits_minor
FROM share_run
LEFT JOIN licence_split ON CASE share_run.kind WHEN 'hold' THEN held_by ELSE ended_by END = share_run.id
WHERE share_run.kind IN ('hold', 'release', 'cancel')
GROUP BY share_run.id
HAVING coalesce(sum({owed_minor}), 0) <> amount_minor;

-- name: splits_unlike_their_entries
-- The splits that the books enter with another amount, or end differently. Accounts: $1 held, $2 the operator's, $3
-- payable.
SELECT licence_split.licence, licence_split.state, held.owed_minor AS entered_minor, split.owed_minor
FROM licence_split
CROSS JOIN LATERAL (
    SELECT
        {owed_minor} AS owed_minor,
        operator_minor + pool_minor + top_up_platform_minor - {owed_minor} AS operators_minor
) AS split
LEFT JOIN LATERAL (
    SELECT
        coalesce(sum(amount_minor) FILTER (WHERE credit = $1::text), 0) AS owed_minor,
        coalesce(sum(amount_minor) FILTER (WHERE credit = $2::text), 0)
            - coalesce(sum(amount_minor) FILTER (WHERE debit = $2), 0) AS operators_minor
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    WHERE kind = 'shares_held' AND source_id = licence_split.licence::text
) AS held ON true
LEFT JOIN LATERAL (
    SELECT
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'shares_released' AND credit = $3::text), 0) AS released,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'shares_cancelled' AND debit = $1), 0) AS cancelled
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    WHERE kind IN ('shares_released', 'shares_cancelled') AND source_id = licence_split.licence::text
) AS ended ON true
WHERE (held.owed_minor, held.operators_minor) <> (split.owed_minor, split.operators_minor)
   OR ended.released <> CASE state WHEN 'released' THEN split.owed_minor ELSE 0 END
   OR ended.cancelled <> CASE state WHEN 'cancelled' THEN split.owed_minor ELSE 0 END;

-- name: entries_without_split
-- The entries of shares without a split.
SELECT id AS entry, kind, source_id
FROM journal_entry
WHERE starts_with(kind, 'shares_') AND kind <> 'shares_lost'
      AND NOT EXISTS (SELECT FROM licence_split WHERE licence::text = source_id)
   OR kind = 'shares_lost' AND NOT EXISTS (
      SELECT FROM licence_split WHERE state = 'released' AND licence::text = split_part(source_id, '/', 1)
   );
