-- name: list_undecided
-- At most $1 duplicate orders that are to be decided: paid, or with a page of Stripe that is open or asked for.
SELECT purchase_order.id, purchase_order.partner
FROM duplicate_order
JOIN purchase_order ON purchase_order.id = duplicate_order.purchase_order
JOIN payment ON payment.subject = purchase_order.id
WHERE duplicate_order.state IN ('noted', 'closed')
  AND (
      purchase_order.state IN ('paid', 'refunded', 'charged_back')
      OR duplicate_order.state = 'noted'
      AND purchase_order.state = 'awaiting_payment'
      AND payment.state IN ('requested', 'open')
      AND EXISTS (SELECT FROM stripe_command WHERE subject = purchase_order.id AND verb = 'checkout')
  )
ORDER BY duplicate_order.purchase_order
LIMIT $1;

-- name: list_undecided_on_credit
-- At most $1 duplicate orders that were sold on credit and are to be decided.
SELECT credit_sale.subject AS id, credit_sale.partner
FROM duplicate_order
JOIN credit_sale ON credit_sale.subject = duplicate_order.purchase_order
JOIN purchase_order ON purchase_order.id = credit_sale.subject AND purchase_order.state <> 'awaiting_payment'
WHERE duplicate_order.state IN ('noted', 'closed')
ORDER BY duplicate_order.purchase_order
LIMIT $1;

-- name: lock_second
-- The duplicate order $1, locked, if it is to be decided still.
SELECT
    purchase_order.id, purchase_order.number, purchase_order.state,
    purchase_order.refund_requested_at IS NOT NULL AS is_returned, licence.claimed_at IS NOT NULL AS is_claimed,
    EXISTS (SELECT FROM dispute WHERE payment_subject = purchase_order.id) AS is_disputed
FROM duplicate_order
JOIN purchase_order ON purchase_order.id = duplicate_order.purchase_order
LEFT JOIN licence ON licence.purchase_order = purchase_order.id
WHERE duplicate_order.purchase_order = $1 AND duplicate_order.state IN ('noted', 'closed')
FOR UPDATE OF duplicate_order, purchase_order;

-- name: list_firsts
-- The paid orders beside which the order $1 is a duplicate, the first that was paid first: before it, of its release
-- for its partner, as exact or more so, and after it was ordered.
SELECT first.id, first.partner
FROM purchase_order AS second
JOIN quote AS second_quote ON second_quote.id = second.quote
JOIN purchase_order AS first ON first.partner = second.partner AND first.release = second.release
JOIN quote AS first_quote ON first_quote.id = first.quote
WHERE second.id = $1
  AND first.id <> second.id
  AND first.state = 'paid'
  AND first_quote.level <= second_quote.level
  AND first.paid_at >= second.ordered_at
  AND (second.paid_at IS NULL OR (first.paid_at, first.number) < (second.paid_at, second.number))
ORDER BY first.paid_at, first.number;

-- name: lock_first
-- The order $1, locked with its licence, if its partner has all of it at $2: nothing ended, suspended or called back.
SELECT first.id, first.number
FROM purchase_order AS first
JOIN licence ON licence.purchase_order = first.id
JOIN entitlement ON entitlement.licence = licence.id
WHERE first.id = $1
  AND first.state = 'paid'
  AND licence.cancelled_at IS NULL
  AND revoked_at IS NULL
  AND suspended_at IS NULL
  AND $2 < ends_at
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = entitlement.release)
FOR UPDATE OF first, licence, entitlement;

-- name: find_duplicate
-- What became of the order $1 as a duplicate, and the number of the order that was paid first.
SELECT duplicate_order.state, first.id AS first, first.number
FROM duplicate_order
JOIN purchase_order AS first ON first.id = duplicate_order.first
WHERE duplicate_order.purchase_order = $1;

-- name: list_both_returned
-- Duplicate orders that were sent back beside one that was sent back beside them.
SELECT duplicate_order.purchase_order AS "order", duplicate_order.first
FROM duplicate_order
JOIN duplicate_order AS other ON other.purchase_order = duplicate_order.first
WHERE duplicate_order.state = 'refunded' AND other.state = 'refunded' AND other.first = duplicate_order.purchase_order;
