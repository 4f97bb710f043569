-- fragment: sold
-- What each entry from $1 until $2 (excluded) says was sold, or goes back, of which order: cents before VAT on the
-- account $3, VAT on $4. A sale has its order; a refund, a lost dispute and a correction name it.
sold AS (
    SELECT
        journal_entry.id AS entry,
        journal_entry.kind,
        journal_entry.at,
        text,
        coalesce(
            order_return.purchase_order,
            invoice_correction.purchase_order,
            CASE journal_entry.kind WHEN 'sale' THEN source_id::uuid END
        ) AS purchase_order,
        moved.net_minor,
        moved.vat_minor
    FROM journal_entry
    CROSS JOIN LATERAL (
        SELECT
            sum(
                CASE $3::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END
            )::bigint AS net_minor,
            sum(
                CASE $4::text WHEN credit THEN amount_minor WHEN debit THEN -amount_minor ELSE 0 END
            )::bigint AS vat_minor
        FROM posting
        WHERE posting.entry = journal_entry.id
    ) AS moved
    LEFT JOIN order_return
        ON order_return.id = CASE WHEN journal_entry.kind IN ('refund', 'dispute_lost') THEN source_id::uuid END
    LEFT JOIN invoice_correction
        ON invoice_correction.id
         = CASE WHEN journal_entry.kind IN ('sale_cancelled', 'sale_reissued') THEN source_id::uuid END
    WHERE journal_entry.at >= $1
      AND journal_entry.at < $2
      AND journal_entry.kind IN ('sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued')
), placed AS (
    SELECT
        entry,
        sold.kind,
        at,
        text,
        sold.purchase_order,
        number,
        sold.net_minor,
        sold.vat_minor,
        CASE $5::text
            WHEN 'dataset' THEN release.dataset
            WHEN 'partner' THEN partner.id::text
            WHEN 'sector' THEN coalesce(partner_sector.sector, '')
            WHEN 'vat' THEN vat_rule || ' ' || vat_basis_points
            ELSE CASE
                WHEN EXISTS (SELECT FROM auction_sale WHERE auction_sale.purchase_order = sold.purchase_order)
                THEN 'auction'
                WHEN EXISTS (
                    SELECT FROM subscribed_release WHERE subscribed_release.purchase_order = sold.purchase_order
                )
                THEN 'subscription'
                ELSE 'posted'
            END
        END AS key,
        CASE $5::text WHEN 'partner' THEN company ELSE '' END AS name
    FROM sold
    JOIN purchase_order ON purchase_order.id = sold.purchase_order
    JOIN partner ON partner.id = purchase_order.partner
    JOIN release ON release.id = purchase_order.release
    LEFT JOIN partner_sector ON partner_sector.partner = partner.id
)

-- name: list_revenue
-- What was sold less what went back, by $5 (dataset, partner, sector, vat or way), largest first; see the fragment.
WITH {sold}
SELECT
    key,
    max(name) AS name,
    count(DISTINCT purchase_order) AS orders,
    sum(net_minor)::bigint AS net_minor,
    sum(vat_minor)::bigint AS vat_minor
FROM placed
GROUP BY key
ORDER BY net_minor DESC, key;

-- name: list_behind
-- The entries behind a number of `list_revenue`, that of the key $6, of all kinds or of the kind $7.
WITH {sold}
SELECT entry, kind, at, text, purchase_order, number, net_minor, vat_minor
FROM placed
WHERE key = $6 AND ($7::text = '' OR kind = $7);

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

-- name: count_ordered_ahead
-- What subscriptions that run still have to bring: releases, and cents before VAT at the most. Nothing of it is charged
-- before its release is there, so nothing is deferred.
SELECT
    count(*) AS subscriptions,
    coalesce(sum(releases - ordered), 0)::bigint AS releases,
    coalesce(sum((releases - ordered) * locked_minor), 0)::bigint AS at_most_minor
FROM (
    SELECT
        subscription.releases,
        locked_minor,
        (
            SELECT count(*)
            FROM subscribed_release
            WHERE subscribed_release.subscription = subscription.id AND purchase_order IS NOT NULL
        ) AS ordered
    FROM subscription
    WHERE state <> 'ended'
) AS running;

-- name: list_presented
-- Each offer with what it brought, the largest first: sold, the shares of its sales in the books (accounts $6), and
-- what is presented as revenue, net of these where we are its agent; see the fragment, whose $5 is `dataset`.
WITH {sold},
shares AS (
    SELECT
        release.dataset,
        sum(
            CASE
                WHEN debit = ANY ($6::text[]) THEN amount_minor
                WHEN credit = ANY ($6::text[]) THEN -amount_minor
                ELSE 0
            END
        )::bigint AS amount_minor
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    JOIN licence ON licence.id = left(source_id, 36)::uuid
    JOIN release ON release.id = licence.release
    WHERE journal_entry.at >= $1
      AND journal_entry.at < $2
      AND journal_entry.kind IN ('shares_held', 'shares_cancelled', 'shares_lost')
    GROUP BY release.dataset
), revenue AS (
    SELECT key AS dataset, sum(net_minor)::bigint AS net_minor FROM placed GROUP BY key
), judged AS (
    SELECT DISTINCT ON (offer) offer, role
    FROM revenue_judgement
    WHERE approved
    ORDER BY offer, decided_at DESC
)
SELECT
    offer.dataset,
    offer.id AS offer,
    judged.role,
    coalesce(revenue.net_minor, 0) AS sold_minor,
    coalesce(shares.amount_minor, 0) AS shares_minor,
    coalesce(revenue.net_minor, 0)
    - CASE judged.role WHEN 'agent' THEN coalesce(shares.amount_minor, 0) ELSE 0 END AS presented_minor
FROM offer
LEFT JOIN judged ON judged.offer = offer.id
LEFT JOIN revenue ON revenue.dataset = offer.dataset
LEFT JOIN shares ON shares.dataset = offer.dataset
ORDER BY sold_minor DESC, offer.dataset;

-- name: list_prospects
-- Of each dataset that was ever published: since when, and what its running subscriptions still bring, at the most.
SELECT
    release.dataset AS code,
    min(release.sealed_at) AS sold_since,
    coalesce(due.releases, 0)::bigint AS due_releases,
    coalesce(due.at_most_minor, 0)::bigint AS due_minor
FROM release
LEFT JOIN (
    SELECT dataset, sum(left_over)::bigint AS releases, sum(left_over * locked_minor)::bigint AS at_most_minor
    FROM (
        SELECT
            dataset,
            locked_minor,
            releases - (
                SELECT count(*)
                FROM subscribed_release
                WHERE subscribed_release.subscription = subscription.id AND purchase_order IS NOT NULL
            ) AS left_over
        FROM subscription
        WHERE state <> 'ended'
    ) AS running
    GROUP BY dataset
) AS due ON due.dataset = release.dataset
WHERE release.state = 'sealed'
GROUP BY release.dataset, due.releases, due.at_most_minor;
