-- name: is_stopped
-- Whether the spending limit of the order $1 is not in force any more.
SELECT EXISTS (
    SELECT FROM spending WHERE spending.subject = $1 AND NOT limit_is_in_force(spending.spending_limit)
);

-- name: list_lapsed
-- At most $3 orders of the partner $1 (of anybody if null), not older than $2, that count against a spending limit
-- though they lapsed and nobody can pay them.
SELECT spending.subject
FROM spending
JOIN purchase_order ON purchase_order.id = spending.subject
JOIN payment ON payment.subject = spending.subject
WHERE purchase_order.state = 'lapsed'
  AND payment.state IN ('expired', 'failed')
  AND spending.returned_at IS NULL
  AND spending.at > clock_timestamp() - $2::interval
  AND ($1::uuid IS NULL OR spending.partner = $1)
ORDER BY spending.subject
LIMIT $3;
