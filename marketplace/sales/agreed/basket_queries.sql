-- name: list_ended_waits
-- Orders that waited for others of their basket which are all paid, or of which one never will be, and they neither.
SELECT waiting.id, waiting.partner, waiting.release, quote.offer, bool_and(first.state = 'paid') AS is_next
FROM purchase_order AS waiting
JOIN purchase_order AS first ON first.id = ANY(waiting.waits_for)
JOIN quote ON quote.id = waiting.quote
WHERE waiting.waits_for <> '{}'
GROUP BY waiting.id, quote.offer
HAVING bool_and(first.state = 'paid') OR bool_or(first.state NOT IN ('awaiting_payment', 'paid'))
ORDER BY waiting.ordered_at, waiting.id;

-- name: is_any_waiting
-- Whether an order of the partners $1, of a release of the datasets $2, waits for others of its basket.
SELECT EXISTS (
    SELECT FROM purchase_order
    JOIN release ON release.id = purchase_order.release
    WHERE waits_for <> '{}' AND purchase_order.partner = ANY($1) AND release.dataset = ANY($2)
);
