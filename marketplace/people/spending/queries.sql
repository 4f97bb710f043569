-- name: lock_limits
-- The limits of the people $1[i] or keys $2[i], in turn, locked with the month $4, what counts for the subjects $3[i],
-- and what nobody approved since $5.
SELECT * FROM lock_spending($1::uuid[], $2::uuid[], $3::uuid[], $4::date, $5::timestamptz);

-- name: count_purchases
-- Counts the orders or bids $1[i] (bids of the auction $2) of the partners $3[i], by the people $4[i] or keys $5[i],
-- under the limits $6[i], for $7[i] cents, in the month $8, at $9, approved by $10[i].
SELECT count_spending(
    subject, $2::uuid, partner, person, api_key, spending_limit, $8::date, minor, $9::timestamptz, approver
)
FROM unnest($1::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::bigint[], $10::uuid[])
    AS given (subject, partner, person, api_key, spending_limit, minor, approver);

-- name: lock_bids
-- The bids $1, locked, and whether their limit is in force still.
SELECT person, api_key, spending_limit, month, spending_limit IS NULL OR limit_is_in_force(spending_limit) AS in_force
FROM spending
WHERE subject = $1 AND closed_at IS NULL
FOR UPDATE OF spending;

-- name: change_ceilings
-- The ceilings of the limit of the colleague or key $1 from the month $2 on become $3, or what was spent if that is
-- more.
UPDATE spending_month SET ceiling_minor = greatest(spent_minor, $3)
FROM spending_limit
WHERE spending_limit.id = spending_month.spending_limit
  AND (spending_limit.person = $1 OR spending_limit.api_key = $1)
  AND month >= $2;

-- name: find_holder
-- The colleague or key $2 of the partner $1, by name or label; the first key of those that replaced each other. A key
-- may order if its limit says so.
SELECT id, name, false AS is_key, company_role IN ('administrator', 'buyer', 'approver') AS may_order
FROM person
WHERE partner = $1 AND id = $2 AND ended_at IS NULL
UNION ALL
SELECT id, label, true, true FROM api_key WHERE partner = $1 AND id = $2 AND replaces IS NULL;

-- name: list_holders
-- Colleagues of the partner $1, then its keys in force at $3, each with its limit and what it spent in the month $2.
SELECT
    holder.id,
    holder.name,
    holder.is_key,
    holder.is_owner,
    holder.may_order,
    held.id AS spending_limit,
    held.order_minor,
    held.month_minor,
    held.approval_minor,
    coalesce(counted.spent_minor, 0) AS spent_minor,
    coalesce(held.datasets, ARRAY[]::text[]) AS datasets,
    coalesce(held.purposes, ARRAY[]::text[]) AS purposes,
    held.ends_at,
    held.revoked_at
FROM (
    SELECT
        id,
        name,
        false AS is_key,
        company_role = 'administrator' AS is_owner,
        company_role IN ('administrator', 'buyer', 'approver') AS may_order,
        created_at
    FROM person
    WHERE partner = $1 AND ended_at IS NULL
    UNION ALL
    SELECT id, label || ' (' || prefix || '…)', true, false, true, created_at
    FROM api_key AS first
    WHERE partner = $1 AND replaces IS NULL AND EXISTS (
        SELECT FROM api_key AS one
        WHERE coalesce(one.replaces, one.id) = first.id AND one.revoked_at IS NULL AND one.ends_at > $3
    )
) AS holder
LEFT JOIN spending_limit AS held ON held.person = holder.id OR held.api_key = holder.id
LEFT JOIN spending_month AS counted ON counted.spending_limit = held.id AND counted.month = $2
ORDER BY holder.is_key, holder.created_at, holder.id;

-- name: list_spent
-- What the partner $1 spent, by month (the latest first) and by colleague or key: orders, and what open bids may cost.
SELECT
    spending.month,
    coalesce(person.name, api_key.label || ' (' || api_key.prefix || '…)', '') AS name,
    spending.api_key IS NOT NULL AS is_key,
    count(*) FILTER (WHERE spending.auction IS NULL) AS orders,
    coalesce(sum(amount_minor) FILTER (WHERE spending.auction IS NULL), 0)::bigint AS ordered_minor,
    coalesce(sum(amount_minor) FILTER (WHERE spending.auction IS NOT NULL), 0)::bigint AS bid_minor
FROM spending
LEFT JOIN person ON person.id = spending.person
LEFT JOIN api_key ON api_key.id = spending.api_key
WHERE spending.partner = $1
  AND returned_at IS NULL
  AND closed_at IS NULL
GROUP BY spending.month, spending.person, spending.api_key, person.name, api_key.label, api_key.prefix
ORDER BY spending.month DESC, ordered_minor DESC, name
LIMIT $2;

-- name: find_own
-- The limit of the colleague or key $1, with what it spent in the month $2.
SELECT order_minor, month_minor, approval_minor, coalesce(spent_minor, 0) AS spent_minor, datasets, purposes, ends_at
FROM spending_limit
LEFT JOIN spending_month ON spending_month.spending_limit = spending_limit.id AND month = $2
WHERE (person = $1 OR api_key = $1) AND revoked_at IS NULL;
