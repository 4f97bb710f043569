-- fragment: order_page
-- An order with its payment, and one of its lots, which the statement chooses, with release, licence and entitlement.
SELECT
    licence_terms.lines_fr, licence_terms.lines_en, dataset.sectors,
    purchase_order.id, purchase_order.number, order_lot.quote, quote.release, purchase_order.state,
    order_lot.position AS lot, (SELECT count(*) FROM order_lot WHERE purchase_order = purchase_order.id) AS lots,
    purchase_order.net_minor, purchase_order.vat_minor, purchase_order.total_minor,
    purchase_order.returned_minor, purchase_order.charged_back_minor, purchase_order.currency,
    purchase_order.vat_basis_points, purchase_order.vat_rule, purchase_order.ordered_at, purchase_order.paid_at,
    dataset.code AS dataset, dataset.title_fr, dataset.title_en, dataset.time_zone,
    release.period_from, release.period_to,
    payment.state AS payment_state, payment.transfer, payment.payer IS NOT NULL AS may_be_transferred,
    licence.id AS licence, licence.cancelled_at,
    quote.months,
    entitlement.id AS entitlement,
    entitlement.starts_at, entitlement.ends_at, entitlement.revoked_at, entitlement.suspended_at,
    quote.level, quote.terms,
    revocation.revoked_at AS recalled_at, revocation.reason_fr AS recalled_fr, revocation.reason_en AS recalled_en,
    credit_sale.due_at, credit_sale.settled_at, credit_sale.suspended_at IS NOT NULL AS is_overdue,
    purchase_order.reference, coalesce(person.name, api_key.label || ' (' || api_key.prefix || '…)', '') AS ordered_by,
    coalesce(approver.name, '') AS approved_by
FROM purchase_order
LEFT JOIN spending ON spending.subject = purchase_order.id
LEFT JOIN person ON person.id = spending.person
LEFT JOIN person AS approver ON approver.id = spending.approved_by
LEFT JOIN api_key ON api_key.id = spending.api_key
JOIN order_lot ON order_lot.purchase_order = purchase_order.id
JOIN quote ON quote.id = order_lot.quote
JOIN release ON release.id = quote.release
JOIN dataset ON dataset.code = release.dataset
JOIN licence_terms ON licence_terms.code = quote.terms
LEFT JOIN revocation ON revocation.release = release.id
LEFT JOIN payment ON payment.subject = purchase_order.id
LEFT JOIN licence ON licence.quote = order_lot.quote
LEFT JOIN entitlement ON entitlement.licence = licence.id
LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id

-- name: list_orders
-- One page of the orders of the partner $1, the latest first; $2 rows, $3 rows to skip, or those after the order $4; of
-- the state $5, of the dataset $6, ordered since $7, if these are not null. Each with its first lot.
{order_page}
WHERE purchase_order.partner = $1 AND order_lot.position = 1
  AND ($5::text IS NULL OR purchase_order.state = $5)
  AND ($6::text IS NULL OR purchase_order.id IN (
      SELECT of_it.purchase_order
      FROM order_lot AS of_it
      JOIN quote AS its_quote ON its_quote.id = of_it.quote
      JOIN release AS its_release ON its_release.id = its_quote.release
      WHERE its_quote.partner = $1 AND its_release.dataset = $6
  ))
  AND ($7::timestamptz IS NULL OR ordered_at >= $7)
  AND ($4::uuid IS NULL
       OR (ordered_at, purchase_order.id) < (SELECT ordered_at, id FROM purchase_order WHERE partner = $1 AND id = $4))
ORDER BY ordered_at DESC, purchase_order.id DESC
LIMIT $2
OFFSET $3;

-- name: get_order
-- The order $2 of the partner $1, with its lot $3.
{order_page}
WHERE purchase_order.partner = $1 AND purchase_order.id = $2 AND order_lot.position = $3;

-- name: list_lots
-- The lots of the order $2 of the partner $1, in its order.
SELECT
    order_lot.position AS lot, quote.release, quote.amount_minor, dataset.title_fr, dataset.title_en, dataset.time_zone,
    release.period_from, release.period_to, revocation.revoked_at AS recalled_at
FROM purchase_order
JOIN order_lot ON order_lot.purchase_order = purchase_order.id
JOIN quote ON quote.id = order_lot.quote
JOIN release ON release.id = quote.release
JOIN dataset ON dataset.code = release.dataset
LEFT JOIN revocation ON revocation.release = release.id
WHERE purchase_order.partner = $1 AND purchase_order.id = $2
ORDER BY order_lot.position;

-- name: lock_quote
-- The quote $1 of the partner $2 with the facts that decide whether and how it can be ordered, locked against changes.
-- The announcement of an exclusive window locks the offer too: the second of the two sees the first.
SELECT
    quote.id, quote.partner, quote.release, quote.level,
    quote.amount_minor, quote.document, quote.signature, quote.expires_at, quote.auction, quote.offer, quote.terms,
    quote.months, quote.currency, dataset.code AS dataset, dataset.purpose,
    release.state AS release_state, dataset.title_fr, dataset.title_en, offer.withdrawn_at,
    partner.country, partner.vat_confirmed_at IS NOT NULL AS is_vat_confirmed
FROM quote
JOIN release ON release.id = quote.release
JOIN dataset ON dataset.code = release.dataset
JOIN offer ON offer.id = quote.offer
JOIN partner ON partner.id = quote.partner
WHERE quote.id = $1 AND quote.partner = $2
FOR SHARE OF quote, offer;

-- name: lock_paid_orders
-- At most $1 orders that are paid, or sold on credit, and not settled, locked; orders that another worker settles are
-- left out.
SELECT
    purchase_order.id, purchase_order.number, purchase_order.net_minor, purchase_order.vat_minor,
    purchase_order.currency, coalesce(payment.paid_at, credit_sale.granted_at) AS money_at,
    credit_sale.subject AS credit_sale
FROM purchase_order
LEFT JOIN payment ON payment.subject = purchase_order.id AND payment.state IN ('paid', 'refunded')
LEFT JOIN credit_sale ON credit_sale.subject = purchase_order.id
WHERE purchase_order.state IN ('awaiting_payment', 'lapsed')
  AND coalesce(payment.subject, credit_sale.subject) IS NOT NULL
ORDER BY purchase_order.id
LIMIT $1
FOR UPDATE OF purchase_order SKIP LOCKED;

-- fragment: posted_minor
-- What everybody pays for what a quote is of: the price before a part that was agreed with one partner.
CASE
    WHEN convert_from(quote.document, 'UTF8')::jsonb ? 'private_basis_points'
    THEN (convert_from(quote.document, 'UTF8')::jsonb #>> '{price,amount_minor}')::bigint
    ELSE quote.amount_minor
END

-- name: list_sold_lots
-- What the orders $1 bought.
SELECT order_lot.purchase_order, order_lot.quote, quote.months
FROM order_lot
JOIN quote ON quote.id = order_lot.quote
WHERE order_lot.purchase_order = ANY ($1)
ORDER BY order_lot.purchase_order, order_lot.position;

-- name: write_licences
-- Grants the licences $2[i] for the paid lots $1[i]: $3 and $4 basis points for subscribers and the operator, $5 how
-- long shares are held.
INSERT INTO licence
    (id, purchase_order, quote, release, terms, posted_minor, net_minor, currency, subscribers_basis_points,
     operator_basis_points, sold_at, hold_until)
SELECT
    given.licence, sold.id, quote.id, quote.release, quote.terms, {posted_minor}, quote.amount_minor, quote.currency,
    $3, $4, sold.paid_at, sold.paid_at + $5
FROM unnest($1::uuid[], $2::uuid[]) AS given (quote, licence)
JOIN order_lot ON order_lot.quote = given.quote
JOIN purchase_order AS sold ON sold.id = order_lot.purchase_order
JOIN quote ON quote.id = order_lot.quote;

-- name: write_entitlements
-- Entitles the partners by their licences $1[i] until $2[i].
INSERT INTO entitlement (id, licence, partner, release, starts_at, ends_at)
SELECT gen_random_uuid(), licence.id, sold.partner, licence.release, licence.sold_at, given.ends_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS given (id, ends_at)
JOIN licence USING (id)
JOIN purchase_order AS sold ON sold.id = licence.purchase_order;

-- name: write_of_past_recalls
-- Writes, at $2, to the partners of the paid orders $1 whose release was called back before; later recalls fire a
-- trigger.
SELECT write_messages(
    'release_recalled',
    $2,
    array_agg(entitlement.id::text),
    array_agg('partner'::text),
    array_agg(entitlement.partner::text),
    array_agg(jsonb_build_object('order', purchase_order.number, 'id', purchase_order.id)::text)
)
FROM purchase_order
JOIN licence ON licence.purchase_order = purchase_order.id
JOIN entitlement ON entitlement.licence = licence.id
JOIN revocation ON revocation.release = entitlement.release
WHERE purchase_order.id = ANY($1::uuid[]) AND entitlement.ends_at > $2;

-- name: lapse_orders
-- Lapses at most $2 orders whose payment failed or expired, was requested before $1, or is a transfer of an order
-- before $3, or whose spending limit is not in force; a debit is awaited. Returns them.
UPDATE purchase_order
SET state = 'lapsed'
WHERE id IN (
    SELECT purchase_order.id
    FROM purchase_order
    JOIN payment ON payment.subject = purchase_order.id
    WHERE purchase_order.state = 'awaiting_payment'
      AND payment.state NOT IN ('paid', 'refunded')
      AND (
          payment.state IN ('expired', 'failed')
          OR payment.state <> 'processing' AND payment.requested_at <= $1
          OR payment.transfer IS NOT NULL AND purchase_order.ordered_at <= $3
          OR payment.state <> 'processing' AND EXISTS (
              SELECT FROM spending
              WHERE spending.subject = purchase_order.id AND NOT limit_is_in_force(spending.spending_limit)
          )
      )
    ORDER BY purchase_order.id
    LIMIT $2
    FOR UPDATE OF purchase_order SKIP LOCKED
)
RETURNING id;

-- fragment: left_minor
-- What remains of a paid order's money, in cents.
purchase_order.total_minor - purchase_order.returned_minor - purchase_order.charged_back_minor

-- fragment: returnable
-- The columns of an order that a return needs.
purchase_order.id, number, purchase_order.net_minor, purchase_order.vat_minor, purchase_order.total_minor,
    purchase_order.currency, {left_minor} AS left_minor

-- fragment: is_disputed
-- Whether a dispute of an order is open.
EXISTS (SELECT FROM dispute WHERE payment_subject = purchase_order.id AND dispute.state = 'open')

-- fragment: has_unrecorded_loss
-- Whether an order has a lost dispute that is not in the books yet.
EXISTS (
    SELECT FROM dispute
    WHERE payment_subject = purchase_order.id
      AND dispute.state = 'lost'
      AND NOT EXISTS (SELECT FROM order_return WHERE order_return.dispute = dispute.id)
)

-- fragment: is_suspended
-- Whether a dispute of an order is open, or its invoice has been overdue for too long.
({is_disputed} OR EXISTS (
    SELECT FROM credit_sale WHERE credit_sale.subject = purchase_order.id AND credit_sale.suspended_at IS NOT NULL
))

-- name: lock_order
-- The order $1, locked, with the amount that may be refunded.
SELECT
    {returnable}, state, returned_minor, {is_disputed} AS is_disputed,
    EXISTS (SELECT FROM credit_sale WHERE subject = purchase_order.id) AS is_on_credit
FROM purchase_order
WHERE id = $1
FOR UPDATE;

-- name: get_licences_to_end
-- The licences of the order $1 together: until when the shares of those in force are held, else of all, and when the
-- last was cancelled if all are.
SELECT
    coalesce(max(hold_until) FILTER (WHERE cancelled_at IS NULL), max(hold_until)) AS hold_until,
    CASE WHEN bool_and(cancelled_at IS NOT NULL) THEN max(cancelled_at) END AS cancelled_at
FROM licence
WHERE purchase_order = $1
HAVING count(*) > 0;

-- name: list_recalled_lots
-- The lots of the order $1 whose releases were called back while their licences lasted, unless their money went back.
SELECT
    licence.quote, licence.cancelled_at,
    div(
        (licence.net_minor + lot_part(licence.quote, purchase_order.vat_minor))::numeric
        * (licence.net_minor - licence.returned_minor),
        licence.net_minor
    )::bigint AS left_minor
FROM licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order
JOIN entitlement ON entitlement.licence = licence.id
JOIN revocation ON revocation.release = licence.release AND revocation.revoked_at < entitlement.ends_at
WHERE licence.purchase_order = $1 AND licence.returned_minor < licence.net_minor;

-- name: lock_refunded_orders
-- At most $1 orders for which Stripe refunded more than is in the books, locked.
SELECT {returnable}, payment.refunded_minor - returned_minor AS more_minor
FROM purchase_order
JOIN payment ON payment.subject = purchase_order.id
WHERE purchase_order.state IN ('paid', 'charged_back')
  AND payment.refunded_minor > returned_minor
  AND {left_minor} > 0
ORDER BY purchase_order.id
LIMIT $1
FOR UPDATE OF purchase_order SKIP LOCKED;

-- name: lock_disputed_orders
-- At most $1 orders with an open dispute, or an invoice long overdue, and entitlements that are not suspended yet,
-- locked.
SELECT purchase_order.id, {is_disputed} AS is_disputed
FROM purchase_order
WHERE {is_suspended} AND EXISTS (
    SELECT
    FROM licence
    JOIN entitlement ON entitlement.licence = licence.id
    WHERE licence.purchase_order = purchase_order.id AND suspended_at IS NULL AND revoked_at IS NULL
)
ORDER BY purchase_order.id
LIMIT $1
FOR UPDATE OF purchase_order SKIP LOCKED;

-- name: lock_lost_orders
-- At most $1 orders with a lost dispute that is not in the books, locked; the first of several disputes.
SELECT {returnable}, dispute.id AS dispute, dispute.amount_minor AS disputed_minor
FROM dispute
JOIN purchase_order ON purchase_order.id = dispute.payment_subject
WHERE dispute.state = 'lost'
  AND purchase_order.state = 'paid'
  AND NOT EXISTS (SELECT FROM order_return WHERE order_return.dispute = dispute.id)
  AND NOT EXISTS (
      SELECT
      FROM dispute AS earlier
      WHERE earlier.payment_subject = purchase_order.id
        AND earlier.state = 'lost'
        AND earlier.id < dispute.id
        AND NOT EXISTS (SELECT FROM order_return WHERE order_return.dispute = earlier.id)
  )
ORDER BY purchase_order.id
LIMIT $1
FOR UPDATE OF purchase_order SKIP LOCKED;

-- name: lock_failed_orders
-- At most $1 paid orders whose money Stripe withdrew again because the payment failed after it was made, locked.
SELECT {returnable}
FROM purchase_order
JOIN payment ON payment.subject = purchase_order.id
WHERE purchase_order.state = 'paid'
  AND {left_minor} > 0
  AND EXISTS (
      SELECT
      FROM balance_transaction
      WHERE balance_transaction.charge_id = payment.charge_id AND category = 'charge_failure'
  )
ORDER BY purchase_order.id
LIMIT $1
FOR UPDATE OF purchase_order SKIP LOCKED;

-- name: restore_entitlements
-- Restores the entitlements that no dispute and no overdue invoice suspends any more.
UPDATE entitlement
SET suspended_at = NULL
FROM licence
JOIN purchase_order ON purchase_order.id = licence.purchase_order
WHERE licence.id = entitlement.licence
  AND suspended_at IS NOT NULL
  AND NOT {is_suspended}
  AND NOT {has_unrecorded_loss};

-- name: settle_contests
-- Resumes shares if no refund is under way or unrecorded, and no dispute or claim is open.
UPDATE licence
SET contested_at = NULL
FROM purchase_order
LEFT JOIN payment ON payment.subject = purchase_order.id
WHERE purchase_order.id = licence.purchase_order
  AND contested_at IS NOT NULL
  AND claimed_at IS NULL
  AND NOT {is_disputed}
  AND NOT EXISTS (
      SELECT FROM stripe_command WHERE subject = purchase_order.id AND verb = 'refund' AND state = 'pending'
  )
  AND coalesce(payment.refunded_minor, 0) <= purchase_order.returned_minor
  AND NOT {has_unrecorded_loss};

-- name: write_returns
-- Writes the returns $1[i] of the orders $2[i]: of the kind $3[i], by the dispute $4[i], $5[i] and $6[i] cents of price
-- and VAT, at $7. A lot whose licence has ended goes back first, then each in turn.
INSERT INTO order_return (id, purchase_order, kind, dispute, net_minor, vat_minor, total_minor, lots_minor, at)
SELECT
    given.id, given.purchase_order, kind, dispute, net_minor, vat_minor, net_minor + vat_minor,
    (
        SELECT array_agg(least(greatest(given.net_minor - lot.earlier_minor, 0), lot.left_minor) ORDER BY lot.position)
        FROM (
            SELECT
                position,
                licence.net_minor - returned_minor AS left_minor,
                sum(licence.net_minor - returned_minor) OVER (ORDER BY cancelled_at IS NULL, position)
                - (licence.net_minor - returned_minor) AS earlier_minor
            FROM order_lot
            JOIN licence ON licence.quote = order_lot.quote
            WHERE order_lot.purchase_order = given.purchase_order
        ) AS lot
    ),
    $7
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
    AS given (id, purchase_order, kind, dispute, net_minor, vat_minor);

-- name: note_returns
-- Records on the orders $1[i] that $2[i] cents were returned: refunded if $3, otherwise charged back.
UPDATE purchase_order
SET
    returned_minor = returned_minor + CASE WHEN $3::boolean THEN given.total_minor ELSE 0 END,
    charged_back_minor = charged_back_minor + CASE WHEN $3 THEN 0 ELSE given.total_minor END,
    state = CASE
        WHEN {left_minor} > given.total_minor THEN state
        WHEN $3 AND charged_back_minor = 0 THEN 'refunded'
        ELSE 'charged_back'
    END
FROM unnest($1::uuid[], $2::bigint[]) AS given (id, total_minor)
WHERE purchase_order.id = given.id
RETURNING purchase_order.id, purchase_order.state;

-- name: note_lots
-- Records the returns $1 on the licences of their lots.
UPDATE licence
SET returned_minor = returned_minor + lot.minor
FROM order_return
CROSS JOIN unnest(lots_minor) WITH ORDINALITY AS lot (minor, position)
JOIN order_lot ON order_lot.purchase_order = order_return.purchase_order AND order_lot.position = lot.position
WHERE order_return.id = ANY ($1) AND licence.quote = order_lot.quote;

-- name: draw_numbers
-- Counts $2 more numbers in the series $1, at $3 or the series' last instant if that is later.
INSERT INTO number_series AS series (code, last, last_at)
VALUES ($1, $2, $3)
ON CONFLICT (code) DO UPDATE
SET last = series.last + $2, last_at = greatest(series.last_at, excluded.last_at)
RETURNING last, last_at;

-- name: list_returns_not_entered
-- Returns whose entry is missing or has other amounts, and such entries without a return: $1 the account of licences
-- sold, $2 of VAT collected, against $3 partners for a refund and $4 disputes for a lost dispute.
SELECT order_return.id AS back, entry.id AS entry, entry.kind
FROM order_return
FULL JOIN (SELECT * FROM journal_entry WHERE kind IN ('refund', 'dispute_lost')) AS entry
    ON entry.source_id = order_return.id::text
   AND entry.kind = CASE order_return.kind WHEN 'dispute' THEN 'dispute_lost' ELSE 'refund' END
LEFT JOIN LATERAL (
    SELECT
        coalesce(sum(amount_minor) FILTER (WHERE debit = $1::text AND credit = against), 0) AS net_minor,
        coalesce(sum(amount_minor) FILTER (WHERE debit = $2::text AND credit = against), 0) AS vat_minor,
        count(*) FILTER (WHERE credit <> against OR debit NOT IN ($1, $2)) AS others
    FROM posting
    CROSS JOIN (SELECT CASE entry.kind WHEN 'refund' THEN $3::text ELSE $4::text END AS against) AS side
    WHERE posting.entry = entry.id
) AS books ON true
WHERE entry.id IS NULL
   OR order_return.id IS NULL
   OR books.others > 0
   OR (books.net_minor, books.vat_minor) <> (order_return.net_minor, order_return.vat_minor);

-- name: find_invoice_to_correct
-- The invoice $1, and what its credit notes leave of it.
SELECT
    invoice.number,
    invoice.kind,
    invoice.purchase_order,
    invoice.net_minor - coalesce(back.net_minor, 0)::bigint AS net_minor,
    invoice.vat_minor - coalesce(back.vat_minor, 0)::bigint AS vat_minor,
    EXISTS (SELECT FROM invoice_correction WHERE invoice_correction.invoice = invoice.number) AS is_corrected
FROM invoice
CROSS JOIN LATERAL (
    SELECT sum(note.net_minor) AS net_minor, sum(note.vat_minor) AS vat_minor
    FROM invoice AS note
    WHERE note.corrects = invoice.number
) AS back
WHERE invoice.id = $1;

-- name: find_held
-- The entitlement of the partner $1 at $4 to the release $2 at the level $3 or a finer one: the finest, and of these
-- the longest.
SELECT entitlement.id AS entitlement, entitlement.ends_at, licence.purchase_order, quote.level
FROM entitlement
JOIN licence ON licence.id = entitlement.licence
JOIN quote ON quote.id = licence.quote
WHERE entitlement.partner = $1 AND entitlement.release = $2 AND quote.level <= $3
  AND starts_at <= $4 AND $4 < ends_at
  AND revoked_at IS NULL AND suspended_at IS NULL
  AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = entitlement.release)
ORDER BY quote.level, ends_at DESC
LIMIT 1;

-- name: find_paying
-- The number of an order of the partner $1 for the release $2 at the level $3 or a finer one with money under way: by a
-- charge, now or after the orders it waits for, a transfer, a debit, or credit. An unpaid page does not count.
SELECT purchase_order.number
FROM quote
JOIN order_lot ON order_lot.quote = quote.id
JOIN purchase_order ON purchase_order.id = order_lot.purchase_order
LEFT JOIN payment ON payment.subject = purchase_order.id
WHERE quote.partner = $1 AND quote.release = $2 AND purchase_order.state = 'awaiting_payment'
  AND quote.level <= $3
  AND (
      payment.state IN ('processing', 'paid')
      OR EXISTS (SELECT FROM credit_sale WHERE credit_sale.subject = purchase_order.id)
      OR (
          payment.state IN ('requested', 'open')
          AND payment.checkout_url IS NULL
          AND EXISTS (SELECT FROM stripe_command WHERE subject = purchase_order.id AND verb = 'charge')
      )
  )
LIMIT 1;
