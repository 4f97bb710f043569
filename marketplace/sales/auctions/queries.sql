-- fragment: terms_columns
-- The fixed part of an auction: `rows.AuctionTerms`.
    auction.id,
    auction.kind,
    auction.offer,
    auction.terms AS licence_terms,
    auction.months,
    auction.currency,
    auction.reserve_minor,
    auction.licences,
    auction.price_rule,
    auction.steps_from_minor,
    auction.steps_minor,
    auction.window_seconds,
    auction.extension_seconds,
    auction.opens_at,
    auction.scheduled_close_at,
    auction.exclusive_from,
    auction.exclusive_to,
    auction.pay_within_hours,
    auction.salt,
    auction.unsecured_minor,
    auction.most_extension_seconds

-- fragment: now_columns
-- An auction with its lead: `rows.AuctionNow`.
{terms_columns},
    auction.state,
    auction.root,
    auction.cancelled_reason,
    lead.closes_at,
    lead.bid_count,
    lead.leader,
    lead.leading_maximum_minor,
    lead.price_minor

-- fragment: auction_pages
-- Every auction as pages show it: `rows.AuctionPage`.
SELECT
{now_columns},
    auction.forgone_minor,
    auction.computation,
    auction.deposit_minor,
    dataset.code AS dataset,
    dataset.title_fr,
    dataset.title_en,
    licence_terms.lines_fr,
    licence_terms.lines_en,
    dataset.sectors,
    clock_timestamp() AS now,
    CASE
        WHEN auction.state <> 'open' THEN auction.state
        WHEN clock_timestamp() < auction.opens_at THEN 'announced'
        WHEN clock_timestamp() < lead.closes_at THEN 'open'
        ELSE 'closing'
    END AS phase
FROM auction
JOIN auction_lead AS lead ON lead.auction = auction.id
JOIN offer ON offer.id = auction.offer
JOIN dataset ON dataset.code = offer.dataset
JOIN licence_terms ON licence_terms.code = auction.terms

-- fragment: locked_auction
-- The auction $1 with its lead, both rows locked. Materialised, so that the other columns are computed once the locks
-- are acquired: with FOR UPDATE in one SELECT, the clock would be read before the wait for the lock.
locked AS MATERIALIZED (
    SELECT
{now_columns}
    FROM auction
    JOIN auction_lead AS lead ON lead.auction = auction.id
    WHERE auction.id = $1
    FOR UPDATE
)

-- name: lock_auction
-- The auction $1 with its lead, both rows locked, and the instant read once the locks are acquired.
WITH
{locked_auction}
SELECT *, clock_timestamp() AS locked_at
FROM locked;

-- name: lock_for_bids
-- As lock_auction, with the reason why each of the partners $2, in order, with the deposit $4 that its bid needs, may
-- not bid (null: it may). If the process is silent for $3, the database ends its session, and the lock.
WITH limited AS MATERIALIZED (SELECT set_config('idle_in_transaction_session_timeout', $3, true)),
{locked_auction}
SELECT locked.*, clock_timestamp() AS locked_at, bid_refusals($2::uuid[], locked.id, $4::bigint[]) AS refusals
FROM limited
CROSS JOIN locked;

-- name: get_terms
-- The fixed part of the auction $1.
SELECT
{terms_columns}
FROM auction
WHERE auction.id = $1;

-- name: get_auction
-- The auction $1 as pages show it.
{auction_pages}
WHERE auction.id = $1;

-- name: list_auctions
-- One page of auctions, those open for bids first, by their end, then the others, the latest first: $1 rows, $2 rows to
-- skip, of those after the auction $3 if it is not null.
WITH auction_page AS (
{auction_pages}
),
ranked AS (
    SELECT
        id,
        phase NOT IN ('announced', 'open') AS is_over,
        CASE WHEN phase IN ('announced', 'open') THEN 1 ELSE -1 END * extract(epoch FROM closes_at) AS distance
    FROM auction_page
)
SELECT auction_page.*
FROM auction_page
JOIN ranked ON ranked.id = auction_page.id
WHERE $3::uuid IS NULL
   OR (ranked.is_over, ranked.distance, ranked.id) > (SELECT is_over, distance, id FROM ranked WHERE id = $3)
ORDER BY ranked.is_over, ranked.distance, ranked.id
LIMIT $1
OFFSET $2;

-- name: list_lots
-- The lots of the auction $1, by position.
SELECT
    lot.position,
    lot.release,
    lot.reserve_minor,
    release.period_from,
    release.period_to,
    dataset.code AS dataset,
    dataset.title_fr,
    dataset.title_en,
    dataset.time_zone,
    revocation.revoked_at
FROM auction_lot AS lot
JOIN release ON release.id = lot.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN revocation ON revocation.release = release.id
WHERE lot.auction = $1
ORDER BY lot.position;

-- name: list_outcomes
-- Every bidder's result in the auction $1 and its reason, the latest round first; $2 rows.
SELECT partner, pseudonym, round, lots, pays_minor, reason
FROM auction_outcome
WHERE auction = $1
ORDER BY round DESC, cardinality(lots) = 0, pseudonym
LIMIT $2;

-- name: lock_offers
-- Locks the offer $1 and those of the releases $2, unless withdrawn, and returns them.
SELECT offer.id, offer.dataset, offer.terms, licence_terms.months, offer.currency
FROM offer
JOIN licence_terms ON licence_terms.code = offer.terms
WHERE withdrawn_at IS NULL
  AND (offer.id = $1 OR offer.dataset IN (SELECT dataset FROM release WHERE id = ANY($2)))
ORDER BY offer.id
FOR NO KEY UPDATE OF offer;

-- name: count_on_sale
-- How many of the releases $1 are sealed, not called back, and of the dataset $2; all but the first may be of $3.
SELECT count(*)
FROM release
JOIN unnest($1::uuid[]) WITH ORDINALITY AS lot (release, number) ON lot.release = release.id
WHERE state = 'sealed'
  AND (dataset = $2 OR (dataset = ANY($3) AND number > 1))
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id);

-- name: overlaps_a_window
-- Whether an auction of the offers $1, other than $2, sells inside the window [$3, $4) (null: no window), or has a
-- window that overlaps [$5, $6), in which the planned one sells. An auction sells for $7 times its time to pay.
WITH planned AS (
    SELECT
        CASE WHEN $3::timestamptz IS NULL THEN 'empty' ELSE tstzrange($3, $4) END AS exclusive,
        tstzrange($5, $6) AS sells
), known AS (
    SELECT
        CASE WHEN exclusive_from IS NULL THEN 'empty' ELSE tstzrange(exclusive_from, exclusive_to) END AS exclusive,
        tstzrange(scheduled_close_at, scheduled_close_at + $7 * pay_within_hours * interval '1 hour') AS sells
    FROM auction
    WHERE id <> $2
      AND state <> 'cancelled'
      AND EXISTS (
          SELECT
          FROM auction_lot AS lot
          JOIN release ON release.id = lot.release
          JOIN offer ON offer.dataset = release.dataset
          WHERE lot.auction = auction.id
            AND offer.id = ANY($1)
      )
      AND (
          state <> 'awarded'
          OR EXISTS (SELECT FROM exclusive_window WHERE exclusive_window.id = auction.id)
          OR EXISTS (
              SELECT
              FROM auction_sale
              JOIN auction_outcome AS outcome ON outcome.id = auction_sale.outcome
              WHERE outcome.auction = auction.id
                AND auction_sale.state = 'due'
          )
      )
)
SELECT EXISTS (
    SELECT
    FROM planned, known
    WHERE known.exclusive && planned.exclusive
       OR known.exclusive && planned.sells
       OR known.sells && planned.exclusive
);

-- name: write_open_bids
-- Writes new open bids of the auction $1, given as the JSON array $2 of their rows; writes none if one of their ids is
-- known (bid_pkey). They are written in the order of their ids, so that two auctions with the same ids wait for each
-- other in one order, never in a circle. If some were accepted, with $3 accepted bids in all, the lead is written too,
-- and every process that shows it is notified once the transaction commits.
WITH written AS (
    INSERT INTO bid (
        id, auction, partner, pseudonym, position, received_at, maximum_minor, commitments, answer, price_minor,
        closes_at
    )
    SELECT
        id, $1, partner, pseudonym, position, received_at, maximum_minor, '{}', answer, price_minor, closes_at
    FROM json_to_recordset($2::json) AS given (
        id uuid, partner uuid, pseudonym text, position bigint, received_at timestamptz, maximum_minor bigint,
        answer text, price_minor bigint, closes_at timestamptz
    )
    ORDER BY id
),
lead AS (
    UPDATE auction_lead
    SET bid_count = $3, leader = $4, leading_maximum_minor = $5, price_minor = $6, closes_at = $7
    WHERE auction = $1 AND bid_count < $3
    RETURNING auction
)
SELECT pg_notify('auctions', auction::text) FROM lead;

-- name: write_outbid
-- Writes a message at $3 to each of the partners $2, whose last leading bid in the auction $1 no longer leads.
SELECT write_messages(
    'outbid',
    $3,
    array_agg(last.id::text),
    array_agg('partner'::text),
    array_agg(outbid.partner::text),
    array_agg(jsonb_build_object('auction', $1::uuid)::text)
)
FROM unnest($2::uuid[]) AS outbid (partner)
CROSS JOIN LATERAL (
    SELECT bid.id
    FROM bid
    WHERE bid.auction = $1
      AND bid.partner = outbid.partner
      AND bid.answer = 'leading'
    ORDER BY bid.position DESC
    LIMIT 1
) AS last;

-- fragment: unpaid
-- No order of a sale is paid or payable.
    sale.state = 'due'
    AND NOT EXISTS (
        SELECT FROM purchase_order
        WHERE id = sale.purchase_order AND state IN ('awaiting_payment', 'paid', 'refunded', 'charged_back')
    )

-- fragment: called_back
-- A sale's release was called back.
    EXISTS (SELECT FROM revocation WHERE revocation.release = sale.release)

-- name: list_called_back
-- Auctions with an unpaid sale of a release that was called back; $1 rows.
SELECT DISTINCT outcome.auction AS id
FROM auction_sale AS sale
JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
WHERE {unpaid}
  AND {called_back}
LIMIT $1;

-- name: list_defaulted
-- Auctions with a sale that was ordered and not paid in time; $1 rows. A sale that was never ordered is the job's
-- delay, not the winner's fault: it is charged first, even after a delay.
SELECT DISTINCT outcome.auction AS id
FROM auction_sale AS sale
JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
WHERE {unpaid}
  AND sale.due_at <= clock_timestamp()
  AND sale.purchase_order IS NOT NULL
  AND NOT {called_back}
LIMIT $1;

-- name: mark_paid
-- Marks the sales whose order is paid.
UPDATE auction_sale
SET state = 'paid'
FROM purchase_order
WHERE auction_sale.state = 'due'
  AND purchase_order.id = auction_sale.purchase_order
  AND purchase_order.state IN ('paid', 'refunded', 'charged_back');

-- name: lock_sales
-- Locks the sales of the auction $1.
SELECT sale.id
FROM auction_sale AS sale
JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
WHERE outcome.auction = $1
ORDER BY sale.id
FOR UPDATE OF sale;

-- name: mark_called_back
-- Cancels what winners of the auction $1 owe for a release that was called back.
UPDATE auction_sale AS sale
SET state = 'called_back'
FROM auction_outcome AS outcome
WHERE outcome.id = sale.outcome
  AND outcome.auction = $1
  AND {unpaid}
  AND {called_back};

-- name: mark_defaulted
-- Marks the sales of the auction $1 that were ordered and not paid by $2.
UPDATE auction_sale AS sale
SET state = 'defaulted'
FROM auction_outcome AS outcome
WHERE outcome.id = sale.outcome
  AND outcome.auction = $1
  AND {unpaid}
  AND sale.due_at <= $2
  AND sale.purchase_order IS NOT NULL
  AND NOT {called_back};

-- name: get_sale
-- The sale $1 with the data needed to order it. $2 the only partner that may order it, or null; $3 a person of it,
-- whose address comes first, or null.
SELECT
    sale.release,
    sale.net_minor,
    sale.due_at,
    sale.purchase_order,
    sale.state,
    outcome.auction,
    outcome.partner,
    outcome.pseudonym,
    outcome.round,
    auction.root,
    auction.terms,
    auction.months,
    (
        SELECT offer.id
        FROM release
        JOIN offer ON offer.dataset = release.dataset
        WHERE release.id = sale.release
    ) AS offer,
    purchase_order.state AS order_state,
    (
        SELECT email
        FROM person
        WHERE person.partner = outcome.partner
        ORDER BY person.id = $3 DESC NULLS LAST, created_at, id
        LIMIT 1
    ) AS email
FROM auction_sale AS sale
JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
JOIN auction ON auction.id = outcome.auction
LEFT JOIN purchase_order ON purchase_order.id = sale.purchase_order
WHERE sale.id = $1
  AND ($2::uuid IS NULL OR outcome.partner = $2);

-- name: write_defaults
-- Records the winners who did not pay for the auction $1, or (for any auction) whose bank reversed the payment, at $2,
-- barred until $3, with the debt of each: how much less each lot was sold for later, or is sold for as usual, at its
-- reserve. The debt only grows.
INSERT INTO auction_default (id, auction, partner, owed_minor, decided_at, barred_until)
SELECT
    gen_random_uuid(),
    outcome.auction,
    outcome.partner,
    sum(greatest(0, sale.net_minor - greatest(lot.reserve_minor, resold.net_minor))),
    $2,
    $3
FROM auction_sale AS sale
JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
JOIN auction_lot AS lot ON lot.auction = outcome.auction AND lot.release = sale.release
LEFT JOIN LATERAL (
    SELECT max(next_sale.net_minor) AS net_minor
    FROM auction_sale AS next_sale
    JOIN auction_outcome AS next_outcome ON next_outcome.id = next_sale.outcome
    WHERE sale.state = 'defaulted' AND next_outcome.auction = outcome.auction
      AND next_outcome.round > outcome.round AND next_sale.release = sale.release
) AS resold ON true
LEFT JOIN LATERAL (
    SELECT max(at) AS at FROM order_return WHERE purchase_order = sale.purchase_order AND kind = 'dispute'
) AS reversed ON true
WHERE ($1::uuid IS NULL OR outcome.auction = $1)
  AND (sale.state = 'defaulted' OR sale.state = 'paid' AND reversed.at IS NOT NULL)
GROUP BY outcome.auction, outcome.partner
HAVING outcome.auction = $1 AND bool_or(sale.state = 'defaulted') OR max(reversed.at) IS NOT NULL
ON CONFLICT (auction, partner) DO UPDATE
SET owed_minor = excluded.owed_minor, barred_until = greatest(auction_default.barred_until, excluded.barred_until)
WHERE auction_default.owed_minor < excluded.owed_minor;

-- name: list_uncollected
-- The remaining debts of winners who did not pay, beyond the deposits and payments that we have, if none of these is
-- under way, payable, or disputed; $1 rows. The first payment has the debt's own id; a further one, after a reversal,
-- has an id made from it and the number of earlier ones.
SELECT
    defaulted.id,
    CASE WHEN owed.asked = 0 THEN defaulted.id ELSE md5(defaulted.id || ' ' || owed.asked)::uuid END AS payment,
    EXISTS (
        SELECT FROM dispute LEFT JOIN auction_deposit AS theirs ON theirs.id = payment_subject
        LEFT JOIN purchase_order ON purchase_order.id = payment_subject
        WHERE dispute.state = 'lost' AND defaulted.partner IN (theirs.partner, purchase_order.partner)
    ) AS has_disputed,
    defaulted.auction,
    defaulted.partner,
    auction.currency,
    owed.amount_minor
FROM auction_default AS defaulted
JOIN auction ON auction.id = defaulted.auction
CROSS JOIN LATERAL (
    SELECT
        defaulted.owed_minor - received_for_default(defaulted.partner, defaulted.auction) AS amount_minor,
        count(*) FILTER (WHERE payment.capture = 'automatic') AS asked,
        count(*) FILTER (
            WHERE deposit.ending IS NULL
               OR payment.state = 'authorised'
               OR payment.capture = 'automatic' AND payment.state NOT IN ('paid', 'refunded')
               OR EXISTS (SELECT FROM dispute WHERE payment_subject = payment.subject AND dispute.state = 'open')
        ) AS pending
    FROM auction_deposit AS deposit
    JOIN payment ON payment.subject = deposit.id
    WHERE deposit.auction = defaulted.auction
      AND deposit.partner = defaulted.partner
) AS owed
WHERE owed.amount_minor > 0
  AND owed.pending = 0
LIMIT $1;
