-- fragment: titled_balances
-- Every account with the debits and credits of `side`.
SELECT
    account.code,
    left(account.code, 1) AS heading,
    account.title_fr,
    account.title_en,
    coalesce(sum(side.debit_minor), 0)::bigint AS debit_minor,
    coalesce(sum(side.credit_minor), 0)::bigint AS credit_minor,
    coalesce(sum(side.debit_minor - side.credit_minor), 0)::bigint AS balance_minor
FROM account
LEFT JOIN side ON side.code = account.code
GROUP BY account.code
ORDER BY account.code

-- fragment: balances
-- Every account with its debits and credits until $1 (included; null: by now), by the books' date: the balances of the
-- last closed month before, the sums of the whole days since, and the postings of the day that $1 is in.
WITH base AS (
    SELECT month, (ends_at AT TIME ZONE 'Europe/Paris')::date AS day
    FROM period
    WHERE ($1::timestamptz IS NULL OR ends_at <= $1 + interval '1 microsecond')
      AND EXISTS (SELECT FROM period_balance WHERE period_balance.month = period.month)
    ORDER BY month DESC
    LIMIT 1
), today AS (
    SELECT (($1 + interval '1 microsecond') AT TIME ZONE 'Europe/Paris')::date AS day
), side AS (
    SELECT account AS code, debit_minor, credit_minor
    FROM period_balance
    WHERE month = (SELECT month FROM base)
    UNION ALL
    SELECT account, debit_minor, credit_minor
    FROM day_sum
    WHERE day >= coalesce((SELECT day FROM base), '-infinity')
      AND day < coalesce((SELECT day FROM today), 'infinity')
    UNION ALL
    SELECT moved.*
    FROM journal_entry
    CROSS JOIN LATERAL (
        SELECT debit AS code, amount_minor AS debit_minor, 0::bigint AS credit_minor
        FROM posting
        WHERE posting.entry = journal_entry.id
        UNION ALL
        SELECT credit, 0::bigint, amount_minor
        FROM posting
        WHERE posting.entry = journal_entry.id
        OFFSET 0
    ) AS moved
    WHERE at >= (SELECT day::timestamp AT TIME ZONE 'Europe/Paris' FROM today) AND at <= $1
)
{titled_balances}

-- name: trial_balance
-- See the fragment: $1 until when.
{balances};

-- name: recorded_balance
-- Every account with its debits and credits of what was recorded until $1 (included), whatever its date.
WITH side AS (
    SELECT side.*
    FROM posting
    JOIN journal_entry ON journal_entry.id = posting.entry
    CROSS JOIN LATERAL (VALUES (debit, amount_minor, 0::bigint), (credit, 0::bigint, amount_minor))
        AS side (code, debit_minor, credit_minor)
    WHERE recorded_at <= $1
)
{titled_balances};

-- name: write_period_balances
-- Writes what every account adds up to by the end of the month $2; $1 is its last microsecond.
INSERT INTO period_balance (month, account, debit_minor, credit_minor)
SELECT $2::date, code, debit_minor, credit_minor
FROM ({balances}) AS balances;

-- name: fold_day_sums
-- Adds the rows of each day and account together, where there are several.
WITH several AS (
    SELECT day, account
    FROM day_sum
    GROUP BY day, account
    HAVING count(*) > 1
), gone AS (
    DELETE FROM day_sum
    USING several
    WHERE day_sum.day = several.day AND day_sum.account = several.account
    RETURNING day_sum.day, day_sum.account, debit_minor, credit_minor
)
INSERT INTO day_sum (day, account, debit_minor, credit_minor)
SELECT day, account, sum(debit_minor), sum(credit_minor)
FROM gone
GROUP BY day, account;

-- name: list_kinds
-- The kinds of entry the journal has, by skipping from one to the next in their index.
WITH RECURSIVE known AS (
    (SELECT kind FROM journal_entry ORDER BY kind LIMIT 1)
    UNION ALL
    SELECT (SELECT kind FROM journal_entry WHERE kind > known.kind ORDER BY kind LIMIT 1)
    FROM known
    WHERE known.kind IS NOT NULL
)
SELECT kind
FROM known
WHERE kind IS NOT NULL;

-- fragment: moved
-- Entries, each with what its postings move; with an account $1, what they move of that.
SELECT journal_entry.id, kind, source_id, at, recorded_at, currency, text, debit_minor, credit_minor
FROM journal_entry
CROSS JOIN LATERAL (
    SELECT
        coalesce(sum(amount_minor) FILTER (WHERE $1::text IS NULL OR debit = $1), 0)::bigint AS debit_minor,
        coalesce(sum(amount_minor) FILTER (WHERE $1::text IS NULL OR credit = $1), 0)::bigint AS credit_minor
    FROM posting
    WHERE posting.entry = journal_entry.id
) AS moved

-- fragment: narrowed
-- Of the kind $2, or null; since $3 (included) and until $4 (excluded), or null.
($2::text IS NULL OR kind = $2)
AND ($3::timestamptz IS NULL OR at >= $3)
AND ($4::timestamptz IS NULL OR at < $4)

-- name: entries
-- The journal of every account ($1 is null), to be put in order. See the fragments.
{moved}
WHERE {narrowed};

-- name: entries_of_quiet
-- The entries of the account $1, to be put in order: from its own few postings to them.
{moved}
WHERE journal_entry.id IN (
    SELECT entry FROM posting WHERE debit = $1
    UNION ALL
    SELECT entry FROM posting WHERE credit = $1
)
AND {narrowed};

-- name: entries_of_busy
-- The same of an account with very many: along the journal, for the next page of it is never far. The offset keeps the
-- server from reading all of them first.
{moved}
WHERE EXISTS (SELECT FROM posting WHERE posting.entry = journal_entry.id AND (debit = $1 OR credit = $1) OFFSET 0)
AND {narrowed};

-- name: is_busy
-- Whether the account $1 has more than $2 postings on either side.
SELECT greatest(
    (SELECT count(*) FROM (SELECT FROM posting WHERE debit = $1 LIMIT $2 + 1) AS debited),
    (SELECT count(*) FROM (SELECT FROM posting WHERE credit = $1 LIMIT $2 + 1) AS credited)
) > $2;

-- name: are_more
-- Whether more than $1 entries are what a journal is narrowed to. See the fragment.
SELECT count(*) > $1
FROM (SELECT FROM journal_entry WHERE {narrowed} LIMIT $1 + 1) AS few;

-- name: list_postings
-- The postings of the entry $1, each with both accounts' titles.
SELECT
    posting.id,
    debit,
    credit,
    amount_minor,
    debited.title_fr AS debit_fr,
    debited.title_en AS debit_en,
    credited.title_fr AS credit_fr,
    credited.title_en AS credit_en
FROM posting
JOIN account AS debited ON debited.code = debit
JOIN account AS credited ON credited.code = credit
WHERE entry = $1
ORDER BY posting.id;

-- name: list_entries_of
-- The entries that record the facts of kind $1[i] and source id $2[i], oldest first, with what each moves in all.
SELECT
    journal_entry.id,
    kind,
    source_id,
    at,
    currency,
    text,
    (SELECT coalesce(sum(amount_minor), 0)::bigint FROM posting WHERE entry = journal_entry.id) AS amount_minor
FROM journal_entry
JOIN unnest($1::text[], $2::text[]) AS wanted (kind, source_id) USING (kind, source_id)
ORDER BY at, journal_entry.id;

-- name: record_entries
-- Writes entries with their postings and returns which are new. $1 now; of each entry: $2 kind, $3 source id,
-- $4 instant, $5 currency, $6 text, $12 whether it may be late: then it is dated at the first open instant, its own
-- day in the text. Of each posting: $7 kind, $8 source id, $9 debit, $10 credit, $11 amount.
WITH closed AS MATERIALIZED (
    SELECT max(ends_at) AS until FROM period
), new AS (
    INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text)
    SELECT
        kind,
        source_id,
        CASE WHEN late THEN greatest(at, until) ELSE at END,
        $1,
        currency,
        CASE
            WHEN late AND at < until THEN text || to_char(at AT TIME ZONE 'Europe/Paris', ' (YYYY-MM-DD)')
            ELSE text
        END
    FROM closed, unnest($2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $12::boolean[])
        AS given (kind, source_id, at, currency, text, late)
    ORDER BY kind, source_id
    ON CONFLICT (kind, source_id) DO NOTHING
    RETURNING id, kind, source_id
), posted AS (
    INSERT INTO posting (entry, debit, credit, amount_minor)
    SELECT new.id, move.debit, move.credit, move.amount_minor
    FROM unnest($7::text[], $8::text[], $9::text[], $10::text[], $11::bigint[]) WITH ORDINALITY
        AS move (kind, source_id, debit, credit, amount_minor, position)
    JOIN new USING (kind, source_id)
    ORDER BY new.id, move.position
)
SELECT kind, source_id
FROM new;

-- name: reverse_entries
-- Reverses the entries of kind $1[i] and source id $2[i], at $3, with the text $4, and returns the new entries' ids.
-- A new entry bears the day of the one it reverses; where that month is closed, the first open instant.
WITH wanted AS MATERIALIZED (
    SELECT journal_entry.id, greatest(at, (SELECT max(ends_at) FROM period)) AS at, currency
    FROM journal_entry
    JOIN unnest($1::text[], $2::text[]) AS given (kind, source_id) USING (kind, source_id)
    WHERE kind <> 'reversal'
), new AS (
    INSERT INTO journal_entry (kind, source_id, at, recorded_at, currency, text, reverses)
    SELECT 'reversal', wanted.id::text, at, $3, currency, $4, wanted.id
    FROM wanted
    ORDER BY wanted.id
    ON CONFLICT (kind, source_id) DO NOTHING
    RETURNING id, reverses
), posted AS (
    INSERT INTO posting (entry, debit, credit, amount_minor)
    SELECT new.id, posting.credit, posting.debit, posting.amount_minor
    FROM new
    JOIN posting ON posting.entry = new.reverses
    ORDER BY new.id, posting.id
)
SELECT id
FROM new;

-- name: balance
-- Debits minus credits of the account $1 until $2 (included; null: of everything): whole days from their sums, the last
-- one from its postings.
SELECT (
    SELECT coalesce(sum(debit_minor - credit_minor), 0)
    FROM day_sum
    WHERE account = $1
      AND ($2::timestamptz IS NULL OR day < (($2 + interval '1 microsecond') AT TIME ZONE 'Europe/Paris')::date)
)::bigint + (
    SELECT coalesce(sum(CASE WHEN debit = $1 THEN amount_minor ELSE -amount_minor END), 0)
    FROM journal_entry
    JOIN posting ON posting.entry = journal_entry.id
    WHERE (debit = $1 OR credit = $1)
      AND at <= $2
      AND at >= date_trunc('day', $2 + interval '1 microsecond', 'Europe/Paris')
)::bigint AS balance_minor;

-- name: claim_unsummed
-- Claims at most $1 of the entries that are in no sum yet, the first ones that nobody else claims.
DELETE FROM unsummed_entry
WHERE ctid = ANY (ARRAY(SELECT ctid FROM unsummed_entry ORDER BY entry LIMIT $1 FOR UPDATE SKIP LOCKED))
RETURNING entry;
