-- name: get_available
-- What the partner $1 may buy on invoice at the instant $2: its limit, what it owes, and whether some is overdue.
SELECT
    coalesce((
        SELECT amount_minor
        FROM proposal
        WHERE kind = 'credit' AND subject = 'partner ' || $1::uuid AND approved
        ORDER BY decided_at DESC, id
        LIMIT 1
    ), 0) AS limit_minor,
    coalesce(sum(total_minor - returned_minor - paid_minor), 0)::bigint AS owed_minor,
    coalesce(bool_or(due_at < $2), false) AS is_overdue
FROM credit_sale
WHERE partner = $1 AND settled_at IS NULL;

-- name: list_sales
-- Sales on credit that owe something, or are owed money back, of the partner $1 or of all, narrowed to the state $2 at
-- the instant $3.
SELECT
    credit_sale.subject,
    credit_sale.partner,
    partner.company,
    credit_sale.number,
    total_minor,
    returned_minor,
    paid_minor,
    written_off_minor,
    provision_minor,
    granted_at,
    due_at,
    reminders,
    suspended_at
FROM credit_sale
JOIN partner ON partner.id = credit_sale.partner
WHERE ($1::uuid IS NULL OR credit_sale.partner = $1)
  AND total_minor <> returned_minor + paid_minor
  AND CASE $2::text
      WHEN 'overdue' THEN settled_at IS NULL AND due_at < $3::timestamptz
      WHEN 'suspended' THEN suspended_at IS NOT NULL
      WHEN 'lost' THEN written_off_minor > 0
      WHEN 'back' THEN total_minor < returned_minor + paid_minor
      ELSE true
  END;

-- name: list_ages
-- What is owed on credit at the instant $1, in cents, by how many days it is overdue, begun ones included.
SELECT
    greatest(ceil(extract(EPOCH FROM $1::timestamptz - due_at) / 86400), 0)::int AS days,
    sum(total_minor - returned_minor - paid_minor)::bigint AS owed_minor
FROM credit_sale
WHERE settled_at IS NULL
GROUP BY 1;

-- name: get_totals
-- What is to be transferred back of sales on credit, and what of them is written off and provided for, in cents.
SELECT
    coalesce(sum(greatest(returned_minor + paid_minor - total_minor, 0)), 0)::bigint AS back_minor,
    coalesce(sum(written_off_minor), 0)::bigint AS written_off_minor,
    coalesce(sum(provision_minor), 0)::bigint AS provided_minor
FROM credit_sale
WHERE settled_at IS NULL OR total_minor < returned_minor + paid_minor;

-- name: list_limits
-- Every partner that two people granted a limit, or that owes something on credit at the instant $1: its limit and what
-- it owes in cents; narrowed to $2, overdue or used up.
SELECT *
FROM (
    SELECT
        partner.id AS partner,
        partner.company,
        coalesce(granted.amount_minor, 0) AS limit_minor,
        coalesce(owing.owed_minor, 0)::bigint AS owed_minor,
        coalesce(owing.overdue_minor, 0)::bigint AS overdue_minor
    FROM partner
    LEFT JOIN (
        SELECT DISTINCT ON (subject) (document ->> 'partner')::uuid AS partner, amount_minor
        FROM proposal
        WHERE kind = 'credit' AND starts_with(subject, 'partner ') AND approved
        ORDER BY subject, decided_at DESC, id
    ) AS granted ON granted.partner = partner.id
    LEFT JOIN (
        SELECT
            partner,
            sum(total_minor - returned_minor - paid_minor) AS owed_minor,
            sum(total_minor - returned_minor - paid_minor) FILTER (WHERE due_at < $1) AS overdue_minor
        FROM credit_sale
        WHERE settled_at IS NULL
        GROUP BY partner
    ) AS owing ON owing.partner = partner.id
    WHERE granted.amount_minor > 0 OR owing.owed_minor > 0
) AS limits
WHERE CASE $2::text
    WHEN 'overdue' THEN overdue_minor > 0
    WHEN 'used' THEN owed_minor >= limit_minor
    ELSE true
END;

-- name: list_to_remind
-- At most $2 sales that are overdue at $1 and whose partner was reminded fewer times than the days $3 after they were
-- due want, or that are to be suspended because they were due before $4; locked.
SELECT subject, partner, number, due_at, reminders, suspended_at
FROM credit_sale
WHERE settled_at IS NULL
  AND (
      reminders < (SELECT count(*) FROM unnest($3::int[]) AS days WHERE due_at + make_interval(days => days) <= $1)
      OR suspended_at IS NULL AND due_at <= $4
  )
ORDER BY due_at, subject
LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: get_vat_of_sale
-- What the sale of the order $1 entered on the account $2 of VAT collected, in cents.
SELECT coalesce(sum(posting.amount_minor), 0)::bigint
FROM posting
JOIN journal_entry ON journal_entry.id = posting.entry
WHERE journal_entry.kind = 'sale' AND journal_entry.source_id = $1 AND posting.credit = $2;

-- name: get_reclaimed
-- The VAT, in cents, that bad debts of the sale $1 left on the account $2 of VAT reclaimed.
SELECT coalesce(sum(CASE $2 WHEN posting.debit THEN posting.amount_minor ELSE -posting.amount_minor END), 0)::bigint
FROM credit_movement
JOIN journal_entry
    ON journal_entry.source_id = credit_movement.id::text
    AND journal_entry.kind IN ('credit_loss', 'credit_loss_undone')
JOIN posting ON posting.entry = journal_entry.id
WHERE credit_movement.sale = $1 AND $2 IN (posting.debit, posting.credit);

-- name: find_debtor
-- The vetted partner with the VAT number or the company name $1; two of that name are none.
SELECT min(id::text)::uuid AS id
FROM partner
WHERE vetted_at IS NOT NULL AND (vat_number = upper(replace($1, ' ', '')) OR lower(company) = lower(btrim($1)))
HAVING count(*) = 1;

-- name: list_amounts_unlike_movements
-- Sales on credit whose amounts are not what their movements add up to.
SELECT subject, returned_minor, paid_minor, written_off_minor, provision_minor
FROM credit_sale
LEFT JOIN LATERAL (
    SELECT
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'return'), 0) AS returned_sum,
        coalesce(sum(amount_minor) FILTER (WHERE kind = 'payment'), 0) AS paid_sum,
        coalesce(
            sum(CASE kind WHEN 'loss' THEN amount_minor WHEN 'loss_undone' THEN -amount_minor END), 0
        ) AS written_off_sum,
        coalesce(
            sum(CASE kind WHEN 'provision' THEN amount_minor WHEN 'provision_released' THEN -amount_minor END), 0
        ) AS provision_sum
    FROM credit_movement
    WHERE credit_movement.sale = credit_sale.subject
) AS moved ON true
WHERE (returned_minor, paid_minor, written_off_minor, provision_minor)
      <> (returned_sum, paid_sum, written_off_sum, provision_sum);

-- name: list_not_entered
-- Sales on credit, and their movements but payments, that are not entered exactly for their amount; $1 the account of
-- sales on credit, $2 that of provisions, whose movement is in each entry.
SELECT fact.kind, fact.id, fact.amount_minor, entered.minor AS entered_minor
FROM (
    SELECT 'credit_granted' AS kind, subject::text AS id, total_minor AS amount_minor
    FROM credit_sale
    UNION ALL
    SELECT 'credit_' || kind, id::text, amount_minor
    FROM credit_movement
    WHERE kind <> 'payment'
) AS fact
FULL JOIN (
    SELECT journal_entry.kind, source_id AS id, sum(posting.amount_minor)::bigint AS minor
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    WHERE journal_entry.kind LIKE 'credit\_%'
      AND ($1::text IN (debit, credit) OR $2::text IN (debit, credit))
    GROUP BY journal_entry.id
) AS entered ON entered.kind = fact.kind AND entered.id = fact.id
WHERE fact.amount_minor IS DISTINCT FROM entered.minor;

-- name: list_account_differing
-- The account of sales on credit ($1) and that of provisions ($2) where they do not hold what the sales on credit say.
SELECT account, booked_minor, said_minor
FROM (
    SELECT
        account,
        coalesce((
            SELECT sum(CASE account WHEN debit THEN amount_minor ELSE -amount_minor END)
            FROM posting
            WHERE account IN (debit, credit)
        ), 0) AS booked_minor,
        coalesce((
            SELECT
                sum(
                    CASE account
                        WHEN $1 THEN total_minor - returned_minor - paid_minor - written_off_minor
                        ELSE -provision_minor
                    END
                )
            FROM credit_sale
        ), 0) AS said_minor
    FROM unnest(ARRAY[$1::text, $2::text]) AS account
) AS compared
WHERE booked_minor <> said_minor;
