-- fragment: is_one_page
-- Whether an order can be closed for another of the same: its page is open or not yet made, or was closed unpaid.
NOT purchase_order.may_repeat
  AND (
      purchase_order.state = 'awaiting_payment' AND payment.state IN ('expired', 'failed')
      OR purchase_order.state IN ('awaiting_payment', 'lapsed')
      AND payment.state IN ('requested', 'open')
      AND EXISTS (SELECT FROM stripe_command WHERE subject = purchase_order.id AND verb = 'checkout')
  )

-- fragment: is_alone_in
-- Whether nothing else is in an order: money for other releases is not given back for one of them.
NOT EXISTS (SELECT FROM order_lot AS more WHERE more.position > 1 AND more.purchase_order =

-- name: find_page
-- An order of the partner $1 for the release $2 at the level $3 with a payable page.
SELECT purchase_order.id
FROM quote
JOIN order_lot ON order_lot.quote = quote.id
JOIN purchase_order ON purchase_order.id = order_lot.purchase_order
JOIN payment ON payment.subject = purchase_order.id
WHERE quote.partner = $1 AND quote.release = $2 AND quote.level = $3 AND {is_one_page}
ORDER BY purchase_order.ordered_at
LIMIT 1;

-- name: find_unpaid
-- An unpaid order of the partner $1 for the release $2 at the level $3 beside which it may have no other.
SELECT purchase_order.id
FROM quote
JOIN order_lot ON order_lot.quote = quote.id
JOIN purchase_order ON purchase_order.id = order_lot.purchase_order
WHERE quote.partner = $1 AND quote.release = $2 AND quote.level = $3
  AND purchase_order.state = 'awaiting_payment' AND NOT purchase_order.may_repeat
LIMIT 1;

-- name: list_other_pages
-- Orders with a page that would pay again for what the orders $1 bought, locked: as exact or rougher, and without a
-- reason on either side. Orders that another worker has locked are being paid or closed.
SELECT purchase_order.id
FROM purchase_order
JOIN payment ON payment.subject = purchase_order.id
WHERE purchase_order.id IN (
    SELECT other_lot.purchase_order
    FROM purchase_order AS sold
    JOIN order_lot ON order_lot.purchase_order = sold.id
    JOIN quote ON quote.id = order_lot.quote
    JOIN quote AS other
        ON other.partner = quote.partner AND other.release = quote.release AND other.level >= quote.level
    JOIN order_lot AS other_lot ON other_lot.quote = other.id
    WHERE sold.id = ANY ($1) AND sold.second_reason = '' AND {is_alone_in} other_lot.purchase_order)
)
  AND purchase_order.state = 'awaiting_payment'
  AND {is_one_page}
ORDER BY purchase_order.id
FOR UPDATE OF purchase_order SKIP LOCKED;

-- fragment: paid_before
-- The orders `first` by which the partner of the order `second` has paid for the same release, as exactly or more so,
-- without a reason on either side, since `second` was ordered: settled or not yet, and not refunded.
FROM purchase_order AS second
JOIN order_lot AS second_lot ON second_lot.purchase_order = second.id
JOIN quote AS second_quote ON second_quote.id = second_lot.quote
LEFT JOIN payment AS second_payment ON second_payment.subject = second.id
LEFT JOIN credit_sale AS second_credit ON second_credit.subject = second.id
JOIN quote AS first_quote
    ON first_quote.partner = second_quote.partner
   AND first_quote.release = second_quote.release
   AND first_quote.level <= second_quote.level
JOIN order_lot AS first_lot ON first_lot.quote = first_quote.id
JOIN purchase_order AS first ON first.id = first_lot.purchase_order AND first.id <> second.id
LEFT JOIN payment AS first_payment ON first_payment.subject = first.id
LEFT JOIN credit_sale AS first_credit ON first_credit.subject = first.id
CROSS JOIN LATERAL (
    SELECT
        coalesce(first.paid_at, first_payment.paid_at, first_credit.granted_at) AS first_at,
        coalesce(second.paid_at, second_payment.paid_at, second_credit.granted_at) AS second_at
) AS paid
WHERE first.second_reason = ''
  AND NOT second.may_repeat
  AND {is_alone_in} second.id)
  AND NOT EXISTS (SELECT FROM licence WHERE licence.quote = first_lot.quote AND cancelled_at IS NOT NULL)
  AND paid.first_at >= second.ordered_at
  AND (paid.second_at IS NULL OR (paid.first_at, first.number) < (paid.second_at, second.number))

-- name: list_paid_twice
-- Which of the paid orders $1 were paid although their partner had paid for the same before, and the number of the
-- first.
SELECT DISTINCT ON (second.id) second.id, second.partner, second.number, first.number AS first
{paid_before}
  AND second.id = ANY ($1)
ORDER BY second.id, paid.first_at, first.number;

-- name: find_paid_before
-- The order that paid for the same before the order $1 of the partner $2, or instead of it.
SELECT first.id, first.number
{paid_before}
  AND second.id = $1
  AND second.partner = $2
ORDER BY paid.first_at, first.number
LIMIT 1;

-- name: list_paid_twice_exceptions
-- Paid orders whose partner had paid for the same before and still has both: the second is to be refunded. Only orders
-- that were open while their partner paid for the release are compared; comparing each with each would take minutes.
WITH paid_order AS MATERIALIZED (
    SELECT
        purchase_order.id,
        purchase_order.ordered_at,
        lag(at) OVER (PARTITION BY quote.partner, quote.release ORDER BY at, purchase_order.number) AS paid_before
    FROM purchase_order
    JOIN order_lot ON order_lot.purchase_order = purchase_order.id
    JOIN quote ON quote.id = order_lot.quote
    LEFT JOIN payment ON payment.subject = purchase_order.id
    LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
    CROSS JOIN LATERAL (SELECT coalesce(purchase_order.paid_at, payment.paid_at, credit_sale.granted_at) AS at) AS paid
    WHERE purchase_order.state = 'paid'
)

SELECT DISTINCT ON (second.id)
    first.number AS detail, second.id::text AS subject, second.number AS reference,
    '/finance/orders/' || second.id AS path,
    second.total_minor - second.returned_minor - second.charged_back_minor AS amount_minor, second.paid_at AS at
{paid_before}
  AND first.state = 'paid'
  AND second.state = 'paid'
  AND second.id = ANY (ARRAY(SELECT id FROM paid_order WHERE paid_before >= ordered_at))
  AND NOT EXISTS (SELECT FROM licence WHERE licence.quote = second_lot.quote AND cancelled_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM dispute WHERE payment_subject IN (first.id, second.id) AND dispute.state = 'open')
ORDER BY second.id, paid.first_at, first.number;
