-- name: list_running
-- Auctions that sell the release $1 and are announced or open, the first to close first; $2 rows.
SELECT
    auction.id,
    auction.kind,
    auction.currency,
    auction.opens_at,
    lead.closes_at,
    lead.price_minor,
    lot.reserve_minor
FROM auction_lot AS lot
JOIN auction ON auction.id = lot.auction
JOIN auction_lead AS lead ON lead.auction = auction.id
WHERE lot.release = $1
  AND auction.state = 'open'
  AND lead.closes_at > clock_timestamp()
ORDER BY lead.closes_at, auction.id
LIMIT $2;

-- name: list_outbid
-- The last leading bid of each partner who led an open auction and leads it no more, unless written about; $1 rows.
SELECT bid.id, bid.partner, bid.auction
FROM (
    SELECT DISTINCT ON (bid.auction, bid.partner) bid.id, bid.partner, bid.auction, lead.leader
    FROM auction
    JOIN auction_lead AS lead ON lead.auction = auction.id
    JOIN bid ON bid.auction = auction.id AND bid.answer = 'leading'
    WHERE auction.state = 'open'
    ORDER BY bid.auction, bid.partner, bid.position DESC
) AS bid
WHERE bid.partner <> bid.leader
  AND NOT EXISTS (SELECT FROM message WHERE kind = 'outbid' AND source_id = bid.id::text)
LIMIT $1;

-- name: list_won
-- Outcomes since $2 that won a lot, unless written about; $1 rows.
SELECT outcome.id, outcome.partner, outcome.auction
FROM auction_outcome AS outcome
WHERE outcome.decided_at > $2
  AND cardinality(outcome.lots) > 0
  AND NOT EXISTS (SELECT FROM message WHERE kind = 'won' AND source_id = outcome.id::text)
LIMIT $1;

-- name: list_unpaid
-- Awards that are due between $2 and $3 and not paid, unless written about; $1 rows.
SELECT sale.id, outcome.partner, outcome.auction
FROM auction_sale AS sale
JOIN auction_outcome AS outcome ON outcome.id = sale.outcome
LEFT JOIN payment ON payment.subject = sale.purchase_order
WHERE sale.state = 'due'
  AND sale.due_at > $2
  AND sale.due_at <= $3
  AND payment.paid_at IS NULL
  AND NOT EXISTS (SELECT FROM message WHERE kind = 'payment_due' AND source_id = sale.id::text)
LIMIT $1;

-- name: list_ended_deposits
-- Deposits that ended as $3 since $2, unless a message of the kind $4 is about them; $1 rows.
SELECT deposit.id, deposit.partner, deposit.auction
FROM auction_deposit AS deposit
WHERE deposit.ended_at > $2
  AND deposit.ending = $3
  AND NOT EXISTS (SELECT FROM auction_default WHERE auction_default.id = deposit.id)
  AND NOT EXISTS (SELECT FROM message WHERE kind = $4 AND source_id = deposit.id::text)
LIMIT $1;

-- name: list_debts
-- What winners who did not pay since $2 owe, where no saved method or deposit paid it, unless written about; $1 rows.
SELECT owed.id, owed.partner, owed.auction
FROM auction_default AS owed
JOIN payment ON payment.subject = owed.id
WHERE owed.decided_at > $2
  AND owed.settled_at IS NULL
  AND payment.state IN ('open', 'expired', 'failed')
  AND NOT EXISTS (SELECT FROM message WHERE kind = 'debt_due' AND source_id = owed.id::text)
LIMIT $1;
