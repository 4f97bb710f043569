-- name: get_activity
-- How many bid in the auction $1, how many bids were accepted and refused, and the deposits authorised for it.
SELECT
    count(DISTINCT partner) AS bidders,
    count(position) AS accepted,
    count(*) - count(position) AS refused,
    count(*) FILTER (WHERE answer = 'refused_below_minimum') AS below_minimum,
    max(received_at) AS latest_at,
    (SELECT count(*) FROM auction_deposit WHERE auction = $1 AND ending IS NULL) AS deposits,
    (
        SELECT coalesce(sum(amount_minor), 0)::bigint FROM auction_deposit WHERE auction = $1 AND ending IS NULL
    ) AS deposits_minor
FROM bid
WHERE auction = $1;

-- name: list_requests
-- The fifteen latest requests to bid in the auction $1, the last one first.
SELECT pseudonym, received_at, answer
FROM bid
WHERE auction = $1
ORDER BY received_at DESC, id
LIMIT 15;

-- name: list_own_sales
-- The awards of the partner $2 in the auction $1 and their prices; a hundred at most.
SELECT
    sale.id,
    sale.release,
    sale.net_minor,
    sale.due_at,
    sale.state,
    release.period_from,
    release.period_to,
    dataset.time_zone
FROM auction_sale AS sale
JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
JOIN release ON release.id = sale.release
JOIN dataset ON dataset.code = release.dataset
WHERE outcome.auction = $1
  AND outcome.partner = $2
ORDER BY release.period_from, sale.id
LIMIT 100;

-- name: list_offers
-- Offers that can be auctioned, with their sealed releases and the ends of their periods, the latest release first.
SELECT
    offer.id,
    dataset.code,
    dataset.title_fr,
    dataset.title_en,
    dataset.time_zone,
    array_agg(release.id ORDER BY release.period_to DESC, release.id) AS releases,
    array_agg(release.period_from ORDER BY release.period_to DESC, release.id) AS periods_from,
    array_agg(release.period_to ORDER BY release.period_to DESC, release.id) AS periods_to
FROM offer
JOIN dataset ON dataset.code = offer.dataset
JOIN release
    ON release.dataset = dataset.code
    AND release.state = 'sealed'
    AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
WHERE offer.withdrawn_at IS NULL
GROUP BY offer.id, dataset.code
ORDER BY dataset.code
LIMIT 200;

-- name: list_debts
-- The present and past debts of the partner $1 for awards unpaid in time, the latest first; fifty at most.
SELECT
    owed.id,
    owed.auction,
    dataset.title_fr,
    dataset.title_en,
    auction.currency,
    owed.owed_minor,
    greatest(0, owed.owed_minor - received_for_default(owed.partner, owed.auction)) AS left_minor,
    paid.is_under_way,
    paid.is_disputed,
    paid.is_reversed,
    owed.decided_at,
    owed.barred_until,
    owed.settled_at
FROM auction_default AS owed
JOIN auction ON auction.id = owed.auction
JOIN offer ON offer.id = auction.offer
JOIN dataset ON dataset.code = offer.dataset
CROSS JOIN LATERAL (
    SELECT
        coalesce(bool_or(payment.state IN ('authorised', 'processing')), false) AS is_under_way,
        coalesce(bool_or(dispute.state = 'open'), false) AS is_disputed,
        coalesce(bool_or(dispute.state = 'lost'), false) AS is_reversed
    FROM auction_deposit AS deposit
    JOIN payment ON payment.subject = deposit.id
    LEFT JOIN dispute ON dispute.payment_subject = payment.subject
    WHERE deposit.auction = owed.auction
      AND deposit.partner = owed.partner
) AS paid
WHERE owed.partner = $1
ORDER BY owed.decided_at DESC, owed.id
LIMIT 50;
