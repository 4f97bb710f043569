-- The books as lines of text, one statement a format: millions of entries never become Python objects. Each takes the
-- first instant and the first instant after (midnights in Paris) as $1 and $2.

-- fragment: entry_lines
-- An entry's lines, one an account and side. `place` counts entries as they were recorded, which is when they are
-- valid.
entry AS MATERIALIZED (
    SELECT
        id,
        kind,
        source_id,
        at,
        recorded_at,
        currency,
        text,
        row_number() OVER (ORDER BY greatest(recorded_at, at), id) AS place
    FROM journal_entry
    WHERE at >= $1::timestamptz AND at < $2::timestamptz
), side AS (
    SELECT entry, debit AS account, true AS is_debit, amount_minor FROM posting
    UNION ALL
    SELECT entry, credit, false, amount_minor FROM posting
), line AS (
    SELECT entry.id, account, is_debit, sum(amount_minor)::bigint AS amount_minor
    FROM entry
    JOIN side ON side.entry = entry.id
    GROUP BY entry.id, account, is_debit
)

-- fragment: opening
-- What each account holds before $1: whole days, so their sums say it.
opening AS (
    SELECT account, sum(debit_minor - credit_minor)::bigint AS balance_minor
    FROM day_sum
    WHERE day < ($1::timestamptz AT TIME ZONE 'Europe/Paris')::date
    GROUP BY account
)

-- name: fec_lines
-- The lines of a FEC without the header. What earlier years earned is carried to 110000, or to 119000 when it was a
-- loss. $3 the account of licences sold, $4 of Stripe's balance; $5 kinds of entry and $6 their French labels; $7
-- accounts and $8 what the accountant calls them; $9 accounts and $10 their titles. What an entry is reads from its
-- kind and the number of its document, else of its order; whose it is, from its order or deposit.
WITH {entry_lines}, {opening}, carried AS (
    SELECT
        CASE
            WHEN account ~ '^[67]' THEN CASE WHEN earned > 0 THEN '119000' ELSE '110000' END
            ELSE account
        END AS account,
        CASE WHEN account ~ '^[67]' THEN earned ELSE balance_minor END AS balance_minor
    FROM (
        SELECT
            account,
            balance_minor,
            sum(balance_minor) FILTER (WHERE account ~ '^[67]') OVER () AS earned,
            row_number() OVER (PARTITION BY account ~ '^[67]' ORDER BY account) AS of_its_kind
        FROM opening
    ) AS each_account
    WHERE account !~ '^[67]' OR of_its_kind = 1
), label AS (
    SELECT kind, words FROM unnest($5::text[], $6::text[]) AS given (kind, words)
), fact AS (
    SELECT
        entry.id,
        place + CASE WHEN EXISTS (SELECT FROM carried WHERE balance_minor <> 0) THEN 1 ELSE 0 END AS place,
        export_day(entry.at, 'YYYYMMDD') AS day,
        export_day(greatest(entry.recorded_at, entry.at), 'YYYYMMDD') AS valid_day,
        coalesce('P' || upper(left(partner.id::text, 8)), '') AS partner,
        coalesce(export_text(partner.company), '') AS company,
        coalesce(
            document.number,
            CASE WHEN NOT starts_with(entry.kind, 'stripe_') THEN purchase_order.number END,
            nullif(export_text(entry.source_id), ''),
            entry.id::text
        ) AS piece,
        export_day(coalesce(invoice.issued_at, entry.at), 'YYYYMMDD') AS piece_day,
        coalesce(
            label.words || coalesce(
                ' ' || CASE
                    WHEN entry.kind IN ('write_off', 'reversal')
                    THEN nullif(regexp_replace(export_text(entry.text), '^(Reversal|Undone): ', ''), '')
                    ELSE coalesce(document.number, purchase_order.number)
                END,
                ''
            ),
            nullif(export_text(entry.text), ''),
            entry.kind
        ) AS text
    FROM entry
    LEFT JOIN label ON label.kind = entry.kind
    LEFT JOIN bank_match
        ON bank_match.id = CASE WHEN entry.kind IN ('bank_match', 'vat_settled') THEN entry.source_id::uuid END
    LEFT JOIN bank_line
        ON bank_line.id = CASE entry.kind WHEN 'bank_line' THEN entry.source_id::bigint ELSE bank_match.line END
    LEFT JOIN balance_transaction AS movement
        ON movement.id = entry.source_id
       AND (starts_with(entry.kind, 'stripe_') OR entry.kind IN ('deposit_given_back', 'penalty_given_back'))
    LEFT JOIN dispute
        ON dispute.id = entry.source_id AND entry.kind IN ('deposit_charged_back', 'penalty_charged_back')
    LEFT JOIN licence
        ON licence.id = CASE
            WHEN starts_with(entry.kind, 'shares_') AND pg_input_is_valid(left(entry.source_id, 36), 'uuid')
            THEN left(entry.source_id, 36)::uuid
        END
    LEFT JOIN credit_movement
        ON credit_movement.id = CASE
            WHEN starts_with(entry.kind, 'credit_') AND pg_input_is_valid(entry.source_id, 'uuid')
            THEN entry.source_id::uuid
        END
    LEFT JOIN invoice ON invoice.entry = entry.id
    CROSS JOIN LATERAL (
        SELECT coalesce(
            movement.payment_subject,
            dispute.payment_subject,
            invoice.purchase_order,
            licence.purchase_order,
            credit_movement.sale,
            CASE WHEN bank_match.target_kind = 'order' THEN bank_match.target_id::uuid END,
            CASE
                WHEN entry.kind IN ('credit_granted', 'deposit_forfeited', 'penalty_received')
                 AND pg_input_is_valid(entry.source_id, 'uuid')
                THEN entry.source_id::uuid
            END
        ) AS id
    ) AS subject
    CROSS JOIN LATERAL (
        SELECT coalesce(
            invoice.number,
            nullif(export_text(bank_line.reference), ''),
            CASE WHEN entry.kind = 'payout_sent' THEN 'PTR' || left(replace(entry.source_id, '-', ''), 8) END
        ) AS number
    ) AS document
    LEFT JOIN purchase_order ON purchase_order.id = subject.id
    LEFT JOIN auction_deposit ON auction_deposit.id = subject.id
    LEFT JOIN partner ON partner.id = coalesce(purchase_order.partner, auction_deposit.partner)
), journal AS (
    SELECT
        id,
        CASE
            WHEN bool_or(account = $3) THEN E'VT\tVentes'
            WHEN bool_or(account = $4) THEN E'ST\tStripe'
            WHEN bool_or(account LIKE '512%') THEN E'BQ\tBanque'
            ELSE E'OD\tOpérations diverses'
        END AS journal
    FROM line
    GROUP BY id
), titled AS (
    SELECT
        code AS account,
        coalesce(theirs, code) || E'\t' || export_text(coalesce(title, title_fr)) AS title,
        code ~ '^41[16]' AS is_of_partners
    FROM account
    LEFT JOIN unnest($7::text[], $8::text[]) AS given (ours, theirs) ON ours = code
    LEFT JOIN unnest($9::text[], $10::text[]) AS called (account, title) ON called.account = code
    UNION ALL
    SELECT code, code || E'\tReport à nouveau', false
    FROM unnest(ARRAY['110000', '119000']) AS given (code)
    WHERE NOT EXISTS (SELECT FROM account WHERE account.code = given.code)
), written AS (
    SELECT
        1 AS place,
        E'AN\tÀ nouveaux' AS journal,
        export_day($1::timestamptz, 'YYYYMMDD') AS day,
        account,
        balance_minor > 0 AS is_debit,
        '' AS partner,
        '' AS company,
        'AN' AS piece,
        export_day($1::timestamptz, 'YYYYMMDD') AS piece_day,
        'Soldes à l''ouverture' AS text,
        export_day($1::timestamptz, 'YYYYMMDD') AS valid_day,
        abs(balance_minor)::bigint AS amount_minor
    FROM carried
    WHERE balance_minor <> 0
    UNION ALL
    SELECT place, journal, day, account, is_debit, partner, company, piece, piece_day, text, valid_day, amount_minor
    FROM fact
    JOIN journal USING (id)
    JOIN line USING (id)
)
SELECT concat_ws(
    E'\t',
    journal,
    place,
    day,
    title,
    CASE WHEN is_of_partners THEN partner ELSE '' END,
    CASE WHEN is_of_partners THEN company ELSE '' END,
    piece,
    piece_day,
    text,
    CASE WHEN is_debit THEN export_euros(amount_minor, ',') ELSE '0,00' END,
    CASE WHEN is_debit THEN '0,00' ELSE export_euros(amount_minor, ',') END,
    '',
    '',
    valid_day,
    '',
    ''
)
FROM written
JOIN titled USING (account)
ORDER BY place, is_debit DESC, account, amount_minor;

-- name: beancount_lines
-- The entries in the order they happened, opened by what earlier ones left. $3 accounts and $4 their names; $5 the
-- currency of the opening balances.
WITH {entry_lines}, {opening}, named AS (
    SELECT account, name FROM unnest($3::text[], $4::text[]) AS given (account, name)
), written AS (
    SELECT
        $1::timestamptz AS at,
        0::bigint AS id,
        0 AS part,
        '' AS account,
        export_day($1::timestamptz, 'YYYY-MM-DD') || ' * "Opening balances"' AS line
    WHERE EXISTS (SELECT FROM opening WHERE balance_minor <> 0)
    UNION ALL
    SELECT $1::timestamptz, 0, 1, account, '  ' || name || '  ' || export_euros(balance_minor, '.') || ' ' || $5::text
    FROM opening
    JOIN named USING (account)
    WHERE balance_minor <> 0
    UNION ALL
    SELECT $1::timestamptz, 0, 9, '', ''
    WHERE EXISTS (SELECT FROM opening WHERE balance_minor <> 0)
    UNION ALL
    SELECT at, id, 0, '', export_day(at, 'YYYY-MM-DD') || ' * "' || kind || '" "' || export_text(text) || '"'
    FROM entry
    UNION ALL
    SELECT at, id, 1, '', '  entry: "' || id || '"'
    FROM entry
    UNION ALL
    SELECT at, entry.id, 1, '', '  piece: "' || invoice.number || '"'
    FROM entry
    JOIN invoice ON invoice.entry = entry.id
    UNION ALL
    SELECT
        at,
        id,
        CASE WHEN is_debit THEN 2 ELSE 3 END,
        account,
        '  ' || name || '  ' || CASE WHEN is_debit THEN '' ELSE '-' END || export_euros(amount_minor, '.')
            || ' ' || currency
    FROM entry
    JOIN line USING (id)
    JOIN named USING (account)
    UNION ALL
    SELECT at, id, 9, '', ''
    FROM entry
)
SELECT line
FROM written
ORDER BY at, id, part, account, line;

-- name: hledger_lines
-- The entries in the order they happened, opened by what earlier ones left. $3 accounts and $4 their names; $5 the
-- currency of the opening balances.
WITH {entry_lines}, {opening}, named AS (
    SELECT account, name FROM unnest($3::text[], $4::text[]) AS given (account, name)
), written AS (
    SELECT
        $1::timestamptz AS at,
        0::bigint AS id,
        0 AS part,
        '' AS account,
        export_day($1::timestamptz, 'YYYY-MM-DD') || ' * Opening balances' AS line
    WHERE EXISTS (SELECT FROM opening WHERE balance_minor <> 0)
    UNION ALL
    SELECT $1::timestamptz, 0, 1, account, '    ' || name || '  ' || export_euros(balance_minor, '.') || ' ' || $5::text
    FROM opening
    JOIN named USING (account)
    WHERE balance_minor <> 0
    UNION ALL
    SELECT $1::timestamptz, 0, 9, '', ''
    WHERE EXISTS (SELECT FROM opening WHERE balance_minor <> 0)
    UNION ALL
    SELECT
        at,
        entry.id,
        0,
        '',
        export_day(at, 'YYYY-MM-DD') || ' * (' || coalesce(invoice.number, entry.id::text) || ') ' || entry.kind
            || rtrim(' ' || export_text(text))
    FROM entry
    LEFT JOIN invoice ON invoice.entry = entry.id
    UNION ALL
    SELECT
        at,
        id,
        CASE WHEN is_debit THEN 2 ELSE 3 END,
        account,
        '    ' || name || '  ' || CASE WHEN is_debit THEN '' ELSE '-' END || export_euros(amount_minor, '.')
            || ' ' || currency
    FROM entry
    JOIN line USING (id)
    JOIN named USING (account)
    UNION ALL
    SELECT at, id, 9, '', ''
    FROM entry
)
SELECT line
FROM written
ORDER BY at, id, part, account, line;

-- name: monthly_moves
-- What each account moved in each month until the next one's first day, and before $1 until its day.
WITH {entry_lines}, {opening}
SELECT
    account,
    (date_trunc('month', at AT TIME ZONE 'Europe/Paris') + interval '1 month')::date AS until,
    sum(CASE WHEN is_debit THEN amount_minor ELSE -amount_minor END)::bigint AS moved_minor
FROM entry
JOIN line USING (id)
GROUP BY 1, 2
UNION ALL
SELECT account, ($1::timestamptz AT TIME ZONE 'Europe/Paris')::date, balance_minor
FROM opening
ORDER BY 1, 2;

-- name: list_actions
-- The audit trail before the id $1 (or null), newest first. $2 area or '', $3 person or null, $4 verb or '', $5 subject
-- or '', $6 words of the subject or the reason or '', $7 since (included) and $8 until (excluded) or null, $9 rows.
SELECT staff_action.id, at, person, person.name, verb, subject, reason, before, after, area
FROM staff_action
LEFT JOIN person ON person.id = person
WHERE ($1::bigint IS NULL OR staff_action.id < $1)
  AND ($2 = '' OR area = $2)
  AND ($3::uuid IS NULL OR person = $3)
  AND ($4 = '' OR verb = $4)
  AND ($5 = '' OR subject = $5)
  AND ($6 = '' OR position(lower($6) IN lower(subject || ' ' || reason)) > 0)
  AND ($7::timestamptz IS NULL OR at >= $7)
  AND ($8::timestamptz IS NULL OR at < $8)
ORDER BY staff_action.id DESC
LIMIT $9;

-- name: name_subjects
-- What people call the payout runs, partners, releases, orders and staff with the ids $1: a day, or a name in both
-- languages.
SELECT id, 'payout_run' AS kind, '' AS name_fr, '' AS name_en, drafted_at AS at
FROM payout_run
WHERE id = ANY($1::uuid[])
UNION ALL
SELECT id, 'partner', company, company, NULL
FROM partner
WHERE id = ANY($1::uuid[])
UNION ALL
SELECT release.id, 'release', title_fr, title_en, period_from
FROM release
JOIN dataset ON dataset.code = dataset
WHERE release.id = ANY($1::uuid[])
UNION ALL
SELECT id, 'order', number, number, NULL
FROM purchase_order
WHERE id = ANY($1::uuid[])
UNION ALL
SELECT id, 'person', name, name, NULL
FROM person
WHERE staff_role IS NOT NULL AND id = ANY($1::uuid[]);

-- name: list_verbs
-- The verbs of the area $1, or of all where it is '', one look at the index a verb.
WITH RECURSIVE known AS (
    (SELECT verb FROM staff_action ORDER BY verb LIMIT 1)
    UNION ALL
    SELECT (SELECT action.verb FROM staff_action AS action WHERE action.verb > known.verb ORDER BY action.verb LIMIT 1)
    FROM known
    WHERE known.verb IS NOT NULL
)
SELECT verb
FROM known
WHERE verb IS NOT NULL
  AND ($1 = '' OR (SELECT area FROM staff_action WHERE staff_action.verb = known.verb LIMIT 1) = $1)
ORDER BY verb;

-- name: list_staff_in_trail
-- Everyone who is or was staff and has a line in the trail.
SELECT id, name
FROM person
WHERE staff_role IS NOT NULL
  AND EXISTS (SELECT FROM staff_action WHERE person = person.id)
ORDER BY name, id;

-- name: list_years
-- Every closed year with the two people who closed it, the hash of its file or what is wrong with it, and how many of
-- the files that were written since there are, and differ from the first.
SELECT
    close.id,
    close.year,
    close.result_minor,
    close.carried_minor,
    close.proposed_at,
    close.decided_at,
    proposer.name AS proposer,
    decider.name AS decider,
    coalesce(CASE first.state WHEN 'done' THEN first.sha256 END, '') AS sha256,
    coalesce(first.fault, '') AS fault,
    again.written,
    again.differing
FROM (
    SELECT
        id,
        (document ->> 'year')::int AS year,
        (document ->> 'result_minor')::bigint AS result_minor,
        (document ->> 'carried_minor')::bigint AS carried_minor,
        proposed_by,
        proposed_at,
        decided_by,
        decided_at
    FROM proposal
    WHERE kind = 'year' AND approved
) AS close
JOIN person AS proposer ON proposer.id = close.proposed_by
JOIN person AS decider ON decider.id = close.decided_by
LEFT JOIN export_file AS first ON first.id = close.id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS written,
        count(*) FILTER (WHERE first.state = 'done' AND export_file.sha256 <> first.sha256) AS differing
    FROM export_file
    WHERE export_file.format = 'fec'
      AND export_file.state = 'done'
      AND export_file.first_day = make_date(close.year, 1, 1)
      AND export_file.last_day = make_date(close.year, 12, 31)
      AND export_file.requested_at >= close.decided_at
) AS again;
