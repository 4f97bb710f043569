-- name: lock_auction
-- The reverse auction $1, its row locked, and the instant read once the lock is acquired.
WITH locked AS MATERIALIZED (
    SELECT id, dataset, opens_at, closes_at, promise_from, promise_to, state
    FROM reverse_auction
    WHERE id = $1
    FOR UPDATE
)
SELECT id, dataset, opens_at, closes_at, promise_from, promise_to, state, clock_timestamp() AS locked_at
FROM locked;

-- name: share_auction
-- As lock_auction; subscribers who state an amount share the lock, and the award waits for all of them.
WITH locked AS MATERIALIZED (
    SELECT id, dataset, opens_at, closes_at, promise_from, promise_to, state
    FROM reverse_auction
    WHERE id = $1
    FOR SHARE
)
SELECT id, dataset, opens_at, closes_at, promise_from, promise_to, state, clock_timestamp() AS locked_at
FROM locked;

-- name: get_promised
-- The most, in cents, that a licence of the dataset $1 may owe contributors by promises within [$2, $3): those that
-- calls have ended with, and the budgets of open ones.
SELECT
    coalesce((
        SELECT sum(promised_minor)
        FROM contributor_term
        WHERE contributor_term.dataset = $1 AND starts_at < $3 AND ends_at > $2
    ), 0)::bigint
    + coalesce((
        SELECT sum(ceil(budget_micro / 10000.0))
        FROM reverse_auction
        JOIN reverse_auction_stratum ON reverse_auction_stratum.auction = reverse_auction.id
        WHERE reverse_auction.dataset = $1 AND state = 'open' AND promise_from < $3 AND promise_to > $2
    ), 0)::bigint;

-- name: list_auctions
-- One page of reverse auctions, the last to close first: $1 a subscriber or null, $2 an auction's id or null for all,
-- $3 rows, $4 rows to skip. `own_stratum`, `reason` and `consents` are the subscriber's.
SELECT
    auction.id,
    auction.dataset,
    auction.opens_at,
    auction.closes_at,
    auction.promise_from,
    auction.promise_to,
    dataset.title_fr,
    dataset.title_en,
    purpose.title_fr AS purpose_fr,
    purpose.title_en AS purpose_en,
    CASE
        WHEN auction.state = 'awarded' THEN 'awarded'
        WHEN clock_timestamp() < auction.opens_at THEN 'announced'
        WHEN clock_timestamp() < auction.closes_at THEN 'open'
        ELSE 'closing'
    END AS phase,
    own.stratum AS own_stratum,
    outcome.reason,
    coalesce(
        (
            SELECT
                given
                AND NOT EXISTS (
                    SELECT
                    FROM notice
                    WHERE notice.purpose = dataset.purpose AND asks_anew AND published_at > consent_record.at
                )
            FROM consent_record
            WHERE consent_record.purpose = dataset.purpose
              AND consent_record.subscriber = $1
            ORDER BY at DESC, id DESC
            LIMIT 1
        ),
        false
    ) AS consents
FROM reverse_auction AS auction
JOIN dataset ON dataset.code = auction.dataset
JOIN purpose ON purpose.code = dataset.purpose
LEFT JOIN reverse_auction_ask AS own
    ON own.auction = auction.id AND own.subscriber = $1 AND own.withdrawn_at IS NULL
    AND own.asked_at > coalesce((SELECT erased_at FROM subscriber WHERE reference = $1), '-infinity')
LEFT JOIN reverse_auction_outcome AS outcome ON outcome.ask = own.id
WHERE $2::uuid IS NULL OR auction.id = $2
ORDER BY auction.closes_at DESC, auction.id
LIMIT $3
OFFSET $4;

-- name: list_strata
-- The strata of the auctions $1. If fewer than about $2 won, neither their number nor the price is shown to others: the
-- price would reveal that somebody accepted it.
SELECT
    id,
    auction,
    title_fr,
    title_en,
    age_bands,
    wanted,
    budget_micro,
    reserve_micro,
    answered_about,
    price_micro,
    CASE WHEN winners_about >= $2 THEN winners_about END AS winners_about,
    CASE WHEN winners_about >= $2 THEN price_micro END AS price_shown_micro
FROM reverse_auction_stratum
WHERE auction = ANY($1)
ORDER BY auction, position;

-- name: read_asks
-- Up to $3 asks of the auction $1 that were not withdrawn, by subscribers above $2, an array a column; strata $4 by
-- their positions $5.
SELECT
    coalesce(array_agg(uuid_send(ask.id) ORDER BY ask.subscriber), '{}') AS ids,
    coalesce(array_agg(ask.subscriber ORDER BY ask.subscriber), '{}') AS subscribers,
    coalesce(array_agg(stratum.position ORDER BY ask.subscriber), '{}') AS strata,
    coalesce(array_agg(ask.sealed ORDER BY ask.subscriber), '{}') AS sealed,
    coalesce(array_agg(ask.asked_at ORDER BY ask.subscriber), '{}') AS asked_at
FROM (
    SELECT id, subscriber, stratum, sealed, (extract(epoch FROM asked_at) * 1000000)::bigint AS asked_at
    FROM reverse_auction_ask
    WHERE auction = $1
      AND subscriber > $2
      AND withdrawn_at IS NULL
    ORDER BY subscriber
    LIMIT $3
) AS ask
JOIN unnest($4::uuid[], $5::bigint[]) AS stratum (id, position) ON stratum.id = ask.stratum;

-- name: list_unanswered
-- Asks of awarded calls without an outcome, and outcomes of other asks.
SELECT outcome.ask, ask.id, auction.state
FROM reverse_auction_outcome AS outcome
FULL JOIN reverse_auction_ask AS ask ON ask.id = outcome.ask
LEFT JOIN reverse_auction AS auction ON auction.id = ask.auction
WHERE (auction.state = 'awarded' AND ask.withdrawn_at IS NULL) IS DISTINCT FROM (outcome.ask IS NOT NULL);
