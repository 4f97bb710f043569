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

-- name: list_unpaid
-- Unpaid awards that are due between $2 and $3 and had no reminder; $1 rows.
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

-- name: find_released
-- When the shares of the licence $1 became the subscribers', by the books.
SELECT at
FROM journal_entry
WHERE kind = 'shares_released' AND source_id = $1::uuid::text;
