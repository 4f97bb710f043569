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

-- fragment: running
-- Subscriptions that run, with how many releases they ordered: an order that lapsed is made anew once its partner goes
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
-- Each offer with what it brought, the largest first: sold, the shares of its sales in the books (accounts $6), and
-- what is presented as revenue, net of these where we were its agent when it was ordered: what is judged later changes
-- no sale of before, nor what goes back of it. The first judgement counts for all before it, too. See the fragment,
-- whose $5 is `dataset`.
WITH {sold},
judged AS (
    SELECT
        offer.dataset,
        role,
        CASE WHEN lag(judgement.id) OVER in_order IS NULL THEN '-infinity' ELSE decided_at END AS since,
        lead(decided_at, 1, 'infinity') OVER in_order AS until
    FROM revenue_judgement AS judgement
    JOIN offer ON offer.id = judgement.offer
    WHERE approved
    WINDOW in_order AS (PARTITION BY judgement.offer ORDER BY decided_at, judgement.id)
),
moved AS (
    SELECT key AS dataset, purchase_order, net_minor, 0::bigint AS shares_minor FROM placed
    UNION ALL
    SELECT
        release.dataset,
        licence.purchase_order,
        0,
        CASE
            WHEN debit = ANY ($6::text[]) THEN amount_minor
            WHEN credit = ANY ($6::text[]) THEN -amount_minor
            ELSE 0
        END
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    JOIN licence ON licence.id = left(source_id, 36)::uuid
    JOIN release ON release.id = licence.release
    WHERE journal_entry.at >= $1
      AND journal_entry.at < $2
      AND journal_entry.kind IN ('shares_held', 'shares_cancelled', 'shares_lost')
),
summed AS (
    SELECT
        moved.dataset,
        sum(moved.net_minor)::bigint AS sold_minor,
        sum(shares_minor)::bigint AS shares_minor,
        sum(moved.net_minor - CASE judged.role WHEN 'agent' THEN shares_minor ELSE 0 END)::bigint AS presented_minor
    FROM moved
    JOIN purchase_order ON purchase_order.id = moved.purchase_order
    LEFT JOIN judged
        ON judged.dataset = moved.dataset AND judged.since <= ordered_at AND ordered_at < judged.until
    GROUP BY moved.dataset
)
SELECT
    offer.dataset,
    offer.id AS offer,
    judged.role,
    coalesce(summed.sold_minor, 0) AS sold_minor,
    coalesce(summed.shares_minor, 0) AS shares_minor,
    coalesce(summed.presented_minor, 0) AS presented_minor
FROM offer
LEFT JOIN judged ON judged.dataset = offer.dataset AND judged.until = 'infinity'
LEFT JOIN summed ON summed.dataset = offer.dataset
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
    SELECT
        dataset,
        sum(releases - ordered)::bigint AS releases,
        sum((releases - ordered) * locked_minor)::bigint AS at_most_minor
    FROM ({running}) AS running
    GROUP BY dataset
) AS due ON due.dataset = release.dataset
WHERE release.state = 'sealed'
GROUP BY release.dataset, due.releases, due.at_most_minor;
