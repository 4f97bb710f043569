-- name: search
-- What is meant by a text, $2 of each kind at most: kind, what it is called, more of it, its page and its instant, the
-- latest first within a kind. $1 the text; $3 the numbers that it may be the end of, $4 what the numbers of orders and
-- $5 those of invoices begin with that begin so; $6 the id and $7 the entry that it is, if any. Texts are searched in
-- the $8 latest entries and bank lines.
(
    SELECT
        'order' AS kind,
        number AS title,
        company AS detail,
        '/finance/orders/' || purchase_order.id AS path,
        ordered_at AS at
    FROM purchase_order
    JOIN partner ON partner.id = purchase_order.partner
    WHERE purchase_order.id = ANY (ARRAY(
        SELECT id FROM purchase_order WHERE number = ANY ($3::text[]) OR id = $6::uuid
        UNION
        SELECT found.id
        FROM unnest($4::text[]) AS its (begins)
        CROSS JOIN LATERAL (
            SELECT id
            FROM purchase_order
            WHERE number >= begins AND number < begins || '~'
            ORDER BY number DESC
            LIMIT $2
        ) AS found
    ))
    ORDER BY ordered_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'partner', company, vat_number, '/finance/orders?number=' || last.number, signed_up_at
    FROM partner
    JOIN LATERAL (
        SELECT number FROM purchase_order WHERE partner = partner.id ORDER BY ordered_at DESC LIMIT 1
    ) AS last ON true
    WHERE position(lower($1) IN lower(company)) > 0 OR vat_number = upper(replace($1, ' ', ''))
    ORDER BY signed_up_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'invoice', invoice.number, purchase_order.number, '/finance/orders/' || purchase_order, issued_at
    FROM invoice
    JOIN purchase_order ON purchase_order.id = purchase_order
    WHERE invoice.id = ANY (ARRAY(
        SELECT id FROM invoice WHERE number = ANY ($3)
        UNION
        SELECT found.id
        FROM unnest($5::text[]) AS its (begins)
        CROSS JOIN LATERAL (
            SELECT id
            FROM invoice
            WHERE number >= begins AND number < begins || '~'
            ORDER BY number DESC
            LIMIT $2
        ) AS found
    ))
    ORDER BY issued_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'entry', id::text, text, '/finance/journal/' || id, at
    FROM (
        SELECT id, text, at FROM journal_entry WHERE id = $7::bigint
        UNION
        SELECT id, text, at FROM journal_entry WHERE source_id = $1
        UNION
        SELECT id, text, at
        FROM (SELECT id, text, at FROM journal_entry ORDER BY at DESC, id DESC LIMIT $8) AS latest
        WHERE position(lower($1) IN lower(text)) > 0
    ) AS meant
    ORDER BY at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT
        'line',
        reference,
        concat_ws(' ', counterparty, remittance),
        '/finance/bank/lines/' || id,
        booked_on::timestamptz
    FROM (
        SELECT * FROM bank_line WHERE reference = $1
        UNION
        SELECT * FROM bank_line WHERE end_to_end_id = $1 AND end_to_end_id <> ''
        UNION
        SELECT *
        FROM (SELECT * FROM bank_line ORDER BY booked_on DESC, id DESC LIMIT $8) AS latest
        WHERE position(lower($1) IN lower(concat_ws(' ', reference, counterparty, remittance, end_to_end_id))) > 0
    ) AS meant
    ORDER BY booked_on DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'transaction', id, category, '/finance/transactions/' || id, created_at
    FROM (
        SELECT id, category, created_at FROM balance_transaction WHERE id = $1
        UNION
        SELECT id, category, created_at FROM balance_transaction WHERE source_id = $1
        UNION
        SELECT id, category, created_at FROM balance_transaction WHERE charge_id = $1 AND payment_subject IS NULL
        UNION
        SELECT movement.id, category, created_at
        FROM payment
        JOIN balance_transaction AS movement ON movement.payment_subject = payment.subject
        WHERE payment.charge_id = $1 AND movement.charge_id = $1
        UNION
        (SELECT id, category, created_at FROM balance_transaction WHERE payout_id = $1 LIMIT $8)
    ) AS meant
    ORDER BY created_at DESC
    LIMIT $2
);

-- name: search_own
-- Of the partner $3 the orders and invoices that have the text $1 in their number or their dataset's title, $2 of each
-- at most, as `search`; titles are shown in the language $4.
WITH own AS (
    SELECT
        purchase_order.id,
        purchase_order.number,
        purchase_order.ordered_at,
        string_agg(DISTINCT CASE $4::text WHEN 'fr' THEN dataset.title_fr ELSE dataset.title_en END, ', ') AS title,
        bool_or(position(lower($1) IN lower(concat_ws(chr(10), dataset.title_fr, dataset.title_en))) > 0) AS is_of_it
    FROM purchase_order
    JOIN order_lot ON order_lot.purchase_order = purchase_order.id
    JOIN quote ON quote.id = order_lot.quote
    JOIN release ON release.id = quote.release
    JOIN dataset ON dataset.code = release.dataset
    WHERE purchase_order.partner = $3
    GROUP BY purchase_order.id
)
(
    SELECT
        'order' AS kind,
        number AS title,
        title AS detail,
        '/orders/' || id AS path,
        ordered_at AS at
    FROM own
    WHERE is_of_it OR position(upper($1) IN number) > 0
    ORDER BY ordered_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'invoice', invoice.number, own.title, '/orders/' || own.id, issued_at
    FROM invoice
    JOIN own ON own.id = invoice.purchase_order
    WHERE is_of_it OR position(upper($1) IN invoice.number) > 0
    ORDER BY issued_at DESC
    LIMIT $2
);

-- name: search_stewarded
-- What stewards' pages list that has the text $1 in its code, title, place or name, $2 of each kind at most, as
-- `search`; titles are shown in the language $3. A dataset is there unpublished, too; of a request, nothing of who
-- asked.
WITH titled AS (
    SELECT code, created_at, CASE $3::text WHEN 'fr' THEN title_fr ELSE title_en END AS title
    FROM dataset
    WHERE position(lower($1) IN lower(concat_ws(chr(10), code, title_fr, title_en, area))) > 0
)
(
    SELECT 'dataset' AS kind, title, code AS detail, '/steward/datasets/' || code AS path, created_at AS at
    FROM titled
    ORDER BY created_at DESC, code
    LIMIT $2
)
UNION ALL
(
    SELECT 'offer', title, code, '/steward/offers/' || code, listed_at
    FROM titled
    JOIN offer ON offer.dataset = code AND withdrawn_at IS NULL
    ORDER BY listed_at DESC, code
    LIMIT $2
)
UNION ALL
(
    SELECT
        'purpose',
        CASE $3::text WHEN 'fr' THEN title_fr ELSE title_en END,
        code,
        '/steward/purposes/' || code,
        (SELECT max(published_at) FROM notice WHERE purpose = code)
    FROM purpose
    WHERE position(lower($1) IN lower(concat_ws(chr(10), code, title_fr, title_en))) > 0
    ORDER BY code
    LIMIT $2
)
UNION ALL
(
    SELECT 'partner', company, vat_number, '/partners/' || id, signed_up_at
    FROM partner
    WHERE position(lower($1) IN lower(company)) > 0 OR vat_number = upper(replace($1, ' ', ''))
    ORDER BY signed_up_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'request', left(place, 120), product, '/steward/requests/' || id, asked_at
    FROM data_request
    WHERE position(lower($1) IN lower(place)) > 0
    ORDER BY asked_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'auction', title, code, '/auctions/' || auction.id, auction.opens_at
    FROM titled
    JOIN offer ON offer.dataset = code
    JOIN auction ON auction.offer = offer.id
    ORDER BY auction.opens_at DESC
    LIMIT $2
)
UNION ALL
(
    SELECT 'call', title, code, '/steward/calls', reverse_auction.opens_at
    FROM titled
    JOIN reverse_auction ON reverse_auction.dataset = code
    ORDER BY reverse_auction.opens_at DESC
    LIMIT $2
);

-- fragment: order_line
-- What a list shows of an order.
purchase_order.id, number, company, total_minor, currency, purchase_order.state, ordered_at

-- name: find_numbered_orders
-- At most $4 orders whose number is one of $1, or lies between $2 and $3.
SELECT id
FROM purchase_order
WHERE number = ANY ($1::text[])
UNION
(
    SELECT id
    FROM purchase_order
    WHERE number >= $2 AND number < $3
    ORDER BY number
    LIMIT $4
);

-- name: find_orders_in_state
-- At most $2 orders in the state $1.
SELECT id
FROM purchase_order
WHERE state = $1
LIMIT $2;

-- name: list_found_orders
-- Of the orders $3 those whose state is one of $4 and whose number begins with $5, to be put in order.
SELECT {order_line}
FROM purchase_order
JOIN partner ON partner.id = purchase_order.partner
WHERE purchase_order.id = ANY ($3::uuid[])
  AND purchase_order.state = ANY ($4::text[])
  AND starts_with(number, $5::text);

-- name: list_orders
-- Orders whose number begins with $3 and whose state is one of $4, to be put in order: a walk of the index of days.
SELECT {order_line}
FROM purchase_order
JOIN partner ON partner.id = purchase_order.partner
WHERE starts_with(number, $3::text) AND purchase_order.state = ANY ($4::text[]);

-- name: list_orders_in_state
-- The same of the one state that $4 has: a walk of the index of that state's days.
SELECT {order_line}
FROM purchase_order
JOIN partner ON partner.id = purchase_order.partner
WHERE starts_with(number, $3::text) AND purchase_order.state = ($4::text[])[1];

-- name: list_orders_by_number
-- The same in the order of numbers: a walk of their index from where they begin with $3.
SELECT {order_line}
FROM purchase_order
JOIN partner ON partner.id = purchase_order.partner
WHERE number >= $3::text AND number < $3::text || '~' AND purchase_order.state = ANY ($4::text[]);

-- name: list_orders_by_total
-- The same by total: of each state as many as are asked for ($1, after $2), by the index of its totals.
SELECT {order_line}
FROM unnest($4::text[]) AS each (state)
CROSS JOIN LATERAL (
    SELECT *
    FROM purchase_order AS its
    WHERE its.state = each.state AND starts_with(its.number, $3::text)
    ORDER BY its.total_minor DESC, its.id
    LIMIT $1::bigint + $2::bigint
) AS purchase_order
JOIN partner ON partner.id = purchase_order.partner;

-- name: list_orders_by_company
-- The same by company: of each partner, in the order of names, as many as are asked for ($1, after $2).
SELECT {order_line}
FROM (SELECT id, company FROM partner ORDER BY lower(company), id) AS partner
CROSS JOIN LATERAL (
    SELECT *
    FROM purchase_order AS its
    WHERE its.partner = partner.id AND its.state = ANY ($4::text[]) AND starts_with(its.number, $3::text)
    ORDER BY its.ordered_at DESC, its.id
    LIMIT $1::bigint + $2::bigint
) AS purchase_order;
