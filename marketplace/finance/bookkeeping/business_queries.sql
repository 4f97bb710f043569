-- fragment: amounts_of
-- What the entry `sale.entry` sold, or gave back: cents before VAT on the account $1, VAT on $2.
SELECT
    sum(CASE $1::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS net_minor,
    sum(CASE $2::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS vat_minor
FROM posting
WHERE posting.entry = sale.entry

-- fragment: entry_of_sale
-- The entries of sales and of what goes back, a row for each lot of their orders: of what, to whom and how. A sale has
-- its order; a refund, a lost dispute and a correction name it. `own` of `whole` is the lot's part, and `reached` that
-- of the lots up to it.
SELECT
    journal_entry.id AS entry,
    journal_entry.kind,
    journal_entry.at,
    text,
    purchase_order.id AS purchase_order,
    number,
    purchase_order.partner,
    lot.*,
    vat_rule || ' ' || vat_basis_points AS vat,
    CASE
        WHEN EXISTS (SELECT FROM auction_sale WHERE auction_sale.purchase_order = purchase_order.id) THEN 'auction'
        WHEN EXISTS (SELECT FROM subscribed_release WHERE subscribed_release.purchase_order = purchase_order.id)
        THEN 'subscription'
        ELSE 'posted'
    END AS way,
    (journal_entry.kind = 'sale' AND lot.lot = 1)::int AS orders
FROM journal_entry
CROSS JOIN LATERAL (
    SELECT
        CASE
            WHEN journal_entry.kind IN ('sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued')
             AND length(source_id) = 36
            THEN source_id::uuid
        END AS id
) AS source
LEFT JOIN order_return
    ON order_return.id = CASE WHEN journal_entry.kind IN ('refund', 'dispute_lost') THEN source.id END
LEFT JOIN invoice_correction
    ON invoice_correction.id = CASE WHEN journal_entry.kind IN ('sale_cancelled', 'sale_reissued') THEN source.id END
JOIN purchase_order
    ON purchase_order.id = coalesce(
        order_return.purchase_order,
        invoice_correction.purchase_order,
        CASE journal_entry.kind WHEN 'sale' THEN source.id END
    )
CROSS JOIN LATERAL (
    SELECT
        position AS lot,
        release.dataset,
        own,
        sum(own) OVER (ORDER BY position) AS reached,
        sum(own) OVER () AS whole
    FROM order_lot
    JOIN quote ON quote.id = order_lot.quote
    JOIN release ON release.id = quote.release
    CROSS JOIN LATERAL (
        SELECT CASE WHEN order_return.net_minor > 0 THEN lots_minor[position] ELSE quote.amount_minor END AS own
    ) AS part
    WHERE order_lot.purchase_order = purchase_order.id AND own > 0
) AS lot
WHERE journal_entry.kind IN ('sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued')

-- fragment: lot_amounts
-- What of an entry's amounts is the lot's: all lots' are the entry's.
(div(amounts.net_minor * reached, whole) - div(amounts.net_minor * (reached - own), whole))::bigint AS net_minor,
    (div(amounts.vat_minor * reached, whole) - div(amounts.vat_minor * (reached - own), whole))::bigint AS vat_minor

-- fragment: sale
-- The same with their amounts.
SELECT sale.*, {lot_amounts}
FROM ({entry_of_sale}) AS sale
CROSS JOIN LATERAL ({amounts_of}) AS amounts

-- fragment: share
-- The entries of shares with what they moved on the accounts $3: of which dataset's sale, and the judgement of its
-- offer that it was ordered under; '' where none was decided by then, which the first to come counts for. No judgement
-- is ever decided for a time that is over, so this stays.
SELECT
    journal_entry.id AS entry,
    journal_entry.at,
    release.dataset,
    coalesce(
        (
            SELECT judgement.id::text
            FROM offer
            JOIN proposal AS judgement ON judgement.kind = 'judgement' AND judgement.subject = offer.id::text
            WHERE offer.dataset = release.dataset AND approved AND decided_at <= ordered_at
            ORDER BY decided_at DESC, judgement.id DESC
            LIMIT 1
        ),
        ''
    ) AS judgement,
    moved.shares_minor
FROM journal_entry
JOIN licence ON licence.id = left(source_id, 36)::uuid
JOIN release ON release.id = licence.release
JOIN purchase_order ON purchase_order.id = licence.purchase_order
CROSS JOIN LATERAL (
    SELECT
        sum(
            CASE
                WHEN debit = ANY ($3::text[]) THEN amount_minor
                WHEN credit = ANY ($3::text[]) THEN -amount_minor
                ELSE 0
            END
        )::bigint AS shares_minor
    FROM posting
    WHERE posting.entry = journal_entry.id
) AS moved
WHERE journal_entry.kind IN ('shares_held', 'shares_cancelled', 'shares_lost')

-- fragment: sides
-- What is kept of a sale: its key of each side.
VALUES ('dataset', dataset), ('partner', sale.partner::text), ('vat', vat), ('way', way)

-- fragment: key
-- Which of the side $5 a sale is of.
CASE $5::text
    WHEN 'dataset' THEN dataset
    WHEN 'vat' THEN vat
    WHEN 'way' THEN way
    ELSE sale.partner::text
END

-- fragment: columns
-- What is kept of each entry.
entry, lot, at, kind, purchase_order, number, dataset, partner, vat, way, net_minor, vat_minor

-- name: sum_revenue
-- Keeps the claimed entries $4, and adds them to the sums of their days; returns how many these were. Rows are written
-- in one order, so that two who sum never wait for each other in a circle. Only these entries are read, by their keys,
-- however many orders there are.
WITH chosen AS MATERIALIZED (
    SELECT unnest($4::bigint[]) AS entry
), amounts AS MATERIALIZED (
    SELECT
        posting.entry,
        sum(CASE $1::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS net_minor,
        sum(CASE $2::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END)::bigint AS vat_minor
    FROM posting
    WHERE posting.entry IN (SELECT entry FROM chosen)
    GROUP BY posting.entry
), moved AS MATERIALIZED (
    SELECT sale.*, {lot_amounts}
    FROM ({entry_of_sale}) AS sale
    JOIN amounts ON amounts.entry = sale.entry
), written AS (
    INSERT INTO revenue_entry ({columns})
    SELECT {columns}
    FROM moved
), by_day AS MATERIALIZED (
    SELECT
        dataset,
        partner,
        vat,
        way,
        (at AT TIME ZONE 'Europe/Paris')::date AS day,
        sum(orders) AS orders,
        sum(net_minor) AS net_minor,
        sum(vat_minor) AS vat_minor
    FROM moved
    GROUP BY dataset, partner, vat, way, 5
), added AS (
    INSERT INTO revenue_sum AS kept (side, key, day, orders, net_minor, vat_minor)
    SELECT place.side, place.key, day, sum(orders), sum(net_minor), sum(vat_minor)
    FROM by_day AS sale
    CROSS JOIN LATERAL ({sides}) AS place (side, key)
    GROUP BY place.side, place.key, day
    ORDER BY place.side, place.key, day
    ON CONFLICT (side, day, key) DO UPDATE
    SET
        orders = kept.orders + excluded.orders,
        net_minor = kept.net_minor + excluded.net_minor,
        vat_minor = kept.vat_minor + excluded.vat_minor
), shared AS (
    INSERT INTO share_sum AS kept (day, dataset, judgement, shares_minor)
    SELECT (at AT TIME ZONE 'Europe/Paris')::date AS day, dataset, judgement, sum(shares_minor)
    FROM chosen
    JOIN ({share}) AS share ON share.entry = chosen.entry
    GROUP BY 1, dataset, judgement
    ORDER BY 1, dataset, judgement
    ON CONFLICT (day, dataset, judgement) DO UPDATE
    SET shares_minor = kept.shares_minor + excluded.shares_minor
)
SELECT count(*)
FROM chosen;

-- name: list_wrong_sums
-- Each day and key of a side whose sum is not what its entries add up to, without those that wait; and each entry that
-- is not kept as it is, or though it waits; and so of shares.
WITH summed AS (
    SELECT {columns}
    FROM ({sale}) AS sale
    WHERE NOT EXISTS (SELECT FROM unsummed_entry WHERE unsummed_entry.entry = sale.entry)
), differing AS (
    (SELECT {columns} FROM summed EXCEPT SELECT {columns} FROM revenue_entry)
    UNION ALL
    (SELECT {columns} FROM revenue_entry EXCEPT SELECT {columns} FROM summed)
)
SELECT side, key, day
FROM (
    SELECT side, key, day, orders, net_minor, vat_minor
    FROM revenue_sum
    UNION ALL
    SELECT place.side, place.key, (at AT TIME ZONE 'Europe/Paris')::date, -orders, -net_minor, -vat_minor
    FROM (SELECT *, (kind = 'sale' AND lot = 1)::int AS orders FROM summed) AS sale
    CROSS JOIN LATERAL ({sides}) AS place (side, key)
) AS kept
GROUP BY side, key, day
HAVING (sum(orders), sum(net_minor), sum(vat_minor)) <> (0, 0, 0)
UNION ALL
SELECT 'entry', entry::text, (at AT TIME ZONE 'Europe/Paris')::date
FROM differing
UNION ALL
SELECT 'share', dataset || ' ' || judgement, day
FROM (
    SELECT dataset, judgement, day, shares_minor
    FROM share_sum
    UNION ALL
    SELECT dataset, judgement, (at AT TIME ZONE 'Europe/Paris')::date, -shares_minor
    FROM ({share}) AS share
    WHERE NOT EXISTS (SELECT FROM unsummed_entry WHERE unsummed_entry.entry = share.entry)
) AS shared
GROUP BY dataset, judgement, day
HAVING sum(shares_minor) <> 0;

-- name: list_revenue
-- What was sold less what went back between the instants $3 and $4 (excluded), both the beginning of a day in Paris, by
-- $5 (dataset, partner, sector, vat or way), largest first: the sums of the days, and what is not in them yet. An order
-- counts on the day it was sold. A sector is that which its partner is in today.
WITH moved AS (
    SELECT key, orders, net_minor, vat_minor
    FROM revenue_sum
    WHERE side = CASE $5::text WHEN 'sector' THEN 'partner' ELSE $5::text END
      AND day >= ($3::timestamptz AT TIME ZONE 'Europe/Paris')::date
      AND day < ($4::timestamptz AT TIME ZONE 'Europe/Paris')::date
    UNION ALL
    SELECT {key}, orders, net_minor, vat_minor
    FROM unsummed_entry
    JOIN ({sale}) AS sale ON sale.entry = unsummed_entry.entry
    WHERE at >= $3 AND at < $4
), by_key AS (
    SELECT key, sum(orders) AS orders, sum(net_minor) AS net_minor, sum(vat_minor) AS vat_minor
    FROM moved
    GROUP BY key
)
SELECT
    CASE $5::text WHEN 'sector' THEN coalesce(sector, '') ELSE key END AS key,
    coalesce(max(CASE $5::text WHEN 'partner' THEN company ELSE title_fr END), '') AS name_fr,
    coalesce(max(CASE $5::text WHEN 'partner' THEN company ELSE title_en END), '') AS name_en,
    sum(orders)::bigint AS orders,
    sum(net_minor)::bigint AS net_minor,
    sum(vat_minor)::bigint AS vat_minor
FROM by_key
LEFT JOIN partner ON partner.id = CASE WHEN $5::text IN ('partner', 'sector') THEN key::uuid END
LEFT JOIN partner_sector ON partner_sector.partner = partner.id
LEFT JOIN dataset ON dataset.code = CASE $5::text WHEN 'dataset' THEN key END
GROUP BY 1
ORDER BY net_minor DESC, key;

-- name: list_partners_of
-- The partners whose entries are behind the key $2 of the side $1, partner or sector: one, or all that are in it today.
SELECT
    ARRAY(
        SELECT partner.id::text
        FROM partner
        LEFT JOIN partner_sector ON partner_sector.partner = partner.id
        WHERE CASE $1::text WHEN 'sector' THEN coalesce(sector, '') ELSE partner.id::text END = $2
    );

-- name: list_unsummed_behind
-- The entries of the kinds $6 between the instants $3 and $4 (excluded) that wait for the sums and have one of the keys
-- $7 of the side $5.
SELECT sale.entry, kind, at, purchase_order, number, net_minor, vat_minor
FROM unsummed_entry
JOIN ({sale}) AS sale ON sale.entry = unsummed_entry.entry
WHERE at >= $3 AND at < $4 AND kind = ANY ($6::text[]) AND {key} = ANY ($7::text[]);

-- name: list_months
-- What each account $3 moved in each month from $1 until $2 (excluded): credits minus debits, from the sums of days.
SELECT date_trunc('month', day)::date AS month, account, sum(credit_minor - debit_minor)::bigint AS earned_minor
FROM day_sum
WHERE day >= $1 AND day < $2 AND account = ANY ($3::text[])
GROUP BY 1, account
ORDER BY 1, account;

-- name: list_day_moves
-- What came to be owed on each account $1 and what was paid of it, a row a day, in the order of days.
SELECT account, day, sum(credit_minor)::bigint AS added_minor, sum(debit_minor)::bigint AS paid_minor
FROM day_sum
WHERE account = ANY ($1::text[])
GROUP BY account, day
ORDER BY account, day;

-- fragment: running
-- Subscriptions that run, with how many releases they ordered: an order that lapsed is made again once its partner goes
-- on.
SELECT
    subscription.dataset,
    locked_minor,
    releases,
    (
        SELECT count(*)
        FROM subscribed_release
        JOIN purchase_order ON purchase_order.id = subscribed_release.purchase_order
        WHERE subscribed_release.subscription = subscription.id AND purchase_order.state <> 'lapsed'
    ) AS ordered
FROM subscription
WHERE state <> 'ended'

-- name: count_ordered_ahead
-- What subscriptions that run still have to bring: releases, and cents before VAT at the most. Nothing of it is charged
-- before its release is there, so nothing is deferred.
SELECT
    count(*) AS subscriptions,
    coalesce(sum(releases - ordered), 0)::bigint AS releases,
    coalesce(sum((releases - ordered) * locked_minor), 0)::bigint AS at_most_minor
FROM ({running}) AS running;

-- name: list_presented
-- Each offer with what it brought between the instants $4 and $5 (excluded), both the beginning of a day in Paris, the
-- largest first: sold, and the shares of its sales in the books (accounts $3), by the sums of days and what is not in
-- them yet; and what is presented as revenue, net of the shares of what was ordered while we were judged its agent:
-- what is judged later changes no earlier sale, nor what goes back of it. The first judgement counts for all earlier
-- sales, too.
WITH judged AS (
    SELECT
        offer.dataset,
        judgement.id::text AS judgement,
        document ->> 'role' AS role,
        lag(judgement.id) OVER in_order IS NULL AS is_first,
        lead(judgement.id) OVER in_order IS NULL AS is_last
    FROM proposal AS judgement
    JOIN offer ON offer.id::text = judgement.subject
    WHERE judgement.kind = 'judgement' AND approved
    WINDOW in_order AS (PARTITION BY judgement.subject ORDER BY decided_at, judgement.id)
),
shares AS (
    SELECT dataset, judgement, shares_minor
    FROM share_sum
    WHERE day >= ($4::timestamptz AT TIME ZONE 'Europe/Paris')::date
      AND day < ($5::timestamptz AT TIME ZONE 'Europe/Paris')::date
    UNION ALL
    SELECT dataset, judgement, shares_minor
    FROM unsummed_entry
    JOIN ({share}) AS share ON share.entry = unsummed_entry.entry
    WHERE at >= $4 AND at < $5
),
moved AS (
    SELECT key AS dataset, net_minor, 0::bigint AS shares_minor, net_minor AS presented_minor
    FROM revenue_sum
    WHERE side = 'dataset'
      AND day >= ($4::timestamptz AT TIME ZONE 'Europe/Paris')::date
      AND day < ($5::timestamptz AT TIME ZONE 'Europe/Paris')::date
    UNION ALL
    SELECT dataset, net_minor, 0, net_minor
    FROM unsummed_entry
    JOIN ({sale}) AS sale ON sale.entry = unsummed_entry.entry
    WHERE at >= $4 AND at < $5
    UNION ALL
    SELECT shares.dataset, 0, shares_minor, CASE judged.role WHEN 'agent' THEN -shares_minor ELSE 0 END
    FROM shares
    LEFT JOIN judged
        ON judged.dataset = shares.dataset
       AND (judged.judgement = shares.judgement OR (shares.judgement = '' AND judged.is_first))
),
summed AS (
    SELECT
        dataset,
        sum(net_minor)::bigint AS sold_minor,
        sum(shares_minor)::bigint AS shares_minor,
        sum(presented_minor)::bigint AS presented_minor
    FROM moved
    GROUP BY dataset
)
SELECT
    offer.dataset,
    title_fr,
    title_en,
    offer.id AS offer,
    judged.role,
    coalesce(summed.sold_minor, 0) AS sold_minor,
    coalesce(summed.shares_minor, 0) AS shares_minor,
    coalesce(summed.presented_minor, 0) AS presented_minor
FROM offer
JOIN dataset ON dataset.code = offer.dataset
LEFT JOIN judged ON judged.dataset = offer.dataset AND judged.is_last
LEFT JOIN summed ON summed.dataset = offer.dataset
ORDER BY sold_minor DESC, offer.dataset;

-- name: list_priced
-- Of each dataset, the prices asked for from $1 until $2.
SELECT dataset.code, title_fr, title_en, count(quote.id) AS quoted
FROM dataset
LEFT JOIN release ON release.dataset = dataset.code
LEFT JOIN quote
    ON quote.release = release.id AND quote.auction IS NULL AND quote.quoted_at >= $1 AND quote.quoted_at < $2
GROUP BY dataset.code
ORDER BY dataset.code;

-- name: list_prospects
-- Of each dataset that was ever published: since when, and what its running subscriptions still bring, at the most.
SELECT
    release.dataset AS code,
    min(release.sealed_at) AS sold_since,
    coalesce(due.releases, 0)::bigint AS due_releases,
    coalesce(due.at_most_minor, 0)::bigint AS due_minor
FROM release
LEFT JOIN (
    SELECT
        dataset,
        sum(releases - ordered)::bigint AS releases,
        sum((releases - ordered) * locked_minor)::bigint AS at_most_minor
    FROM ({running}) AS running
    GROUP BY dataset
) AS due ON due.dataset = release.dataset
WHERE release.state = 'sealed'
GROUP BY release.dataset, due.releases, due.at_most_minor;
