CREATE INDEX IF NOT EXISTS spending_of_month ON spending (partner, month);
CREATE INDEX IF NOT EXISTS spending_of_bids ON spending (bids) WHERE bids IS NOT NULL;
CREATE INDEX IF NOT EXISTS spending_open_bids ON spending (auction) WHERE auction IS NOT NULL AND closed_at IS NULL;
CREATE INDEX IF NOT EXISTS spending_by_limit ON spending (spending_limit, at);

-- Locks, until the transaction ends, the limits of people and keys (people[i] or keys[i]) with their month, and returns
-- each in turn as it is then. reserved_minor is what counts already for subjects[i] under that limit in that month.
-- unapproved_minor is what counts under it since `since` and nobody approved, without the subject itself. The rows are
-- locked in one order, those of the subjects' former holders too, so that nobody waits in a circle; the limit itself too,
-- since two months may count together.
CREATE OR REPLACE FUNCTION lock_spending(
    people uuid[], keys uuid[], subjects uuid[], in_month date, since timestamptz
)
RETURNS TABLE (
    place bigint, is_owner boolean, spending_limit uuid, order_minor bigint, left_minor bigint, reserved_minor bigint,
    datasets text[], purposes text[], ends_at timestamptz, approval_minor bigint, unapproved_minor bigint
)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    chosen uuid[];
BEGIN
    SELECT array_agg(id) INTO chosen
    FROM (
        SELECT id FROM spending_limit AS known
        WHERE (person = ANY (people) OR api_key = ANY (keys)) AND limit_is_in_force(id)
        ORDER BY id
        FOR NO KEY UPDATE
    ) AS locked;
    INSERT INTO spending_month (id, spending_limit, month, spent_minor, ceiling_minor)
    SELECT gen_random_uuid(), id, in_month, 0, month_minor FROM spending_limit WHERE id = ANY (chosen) ORDER BY id
    ON CONFLICT DO NOTHING;
    PERFORM
    FROM spending_month AS counted
    WHERE (spending_limit = ANY (chosen) AND month = in_month)
       OR (spending_limit, month) IN (
           SELECT former.spending_limit, former.month FROM spending AS former WHERE former.subject = ANY (subjects)
       )
    ORDER BY spending_limit, month
    FOR UPDATE;
    RETURN QUERY
    SELECT
        given.place,
        colleague.company_role = 'administrator',
        held.id,
        held.order_minor,
        counted.ceiling_minor - counted.spent_minor,
        coalesce(former.amount_minor, 0),
        held.datasets,
        held.purposes,
        held.ends_at,
        held.approval_minor,
        coalesce(
            (SELECT sum(recent.amount_minor)
             FROM spending AS recent
             WHERE recent.spending_limit = held.id AND recent.at > since AND recent.subject <> given.subject
               AND recent.returned_at IS NULL AND recent.bids IS NULL AND recent.approved_by IS NULL),
            0
        )::bigint
    FROM unnest(people, keys, subjects) WITH ORDINALITY AS given (person, api_key, subject, place)
    LEFT JOIN person AS colleague ON colleague.id = given.person AND colleague.ended_at IS NULL
    LEFT JOIN spending_limit AS held
        ON held.id = ANY (chosen)
        AND (held.person = colleague.id OR held.api_key = given.api_key)
    LEFT JOIN spending_month AS counted ON counted.spending_limit = held.id AND counted.month = in_month
    LEFT JOIN spending AS former
        ON former.subject = given.subject AND former.spending_limit = held.id AND former.month = in_month
        AND former.returned_at IS NULL AND former.bids IS NULL
    ORDER BY given.place;
END $$;

-- Counts an order or bids in place of what counted for the same subject before, unless that is more: a lower bid withdraws
-- no higher one. lock_spending was called before.
CREATE OR REPLACE FUNCTION count_spending(
    new_subject uuid, of_auction uuid, of_partner uuid, by_person uuid, by_key uuid, under uuid, in_month date,
    new_minor bigint, new_at timestamptz, by_approver uuid
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM spending WHERE subject = new_subject AND returned_at IS NULL AND amount_minor > new_minor) THEN
        RETURN;
    END IF;
    PERFORM return_spending(ARRAY[new_subject]);
    INSERT INTO spending (subject, auction, partner, person, api_key, spending_limit, month, amount_minor, at, approved_by)
    VALUES (new_subject, of_auction, of_partner, by_person, by_key, under, in_month, new_minor, new_at, by_approver)
    ON CONFLICT (subject) DO UPDATE
    SET person = excluded.person, api_key = excluded.api_key, spending_limit = excluded.spending_limit,
        month = excluded.month, amount_minor = excluded.amount_minor, at = excluded.at, returned_at = NULL;
    UPDATE spending_month SET spent_minor = spent_minor + new_minor WHERE spending_limit = under AND month = in_month;
END $$;

-- Gives back what counts for these subjects, once each; returns how many. An award's order was counted with its bids.
CREATE OR REPLACE FUNCTION return_spending(subjects uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    returned bigint;
BEGIN
    PERFORM
    FROM spending_month
    WHERE (spending_limit, month) IN (
        SELECT spending.spending_limit, spending.month FROM spending WHERE subject = ANY (subjects)
    )
    ORDER BY spending_limit, month
    FOR UPDATE;
    WITH back AS (
        UPDATE spending SET returned_at = clock_timestamp()
        WHERE subject = ANY (subjects) AND returned_at IS NULL
        RETURNING spending.spending_limit, spending.month, amount_minor, bids
    ),
    less AS (
        UPDATE spending_month AS counted SET spent_minor = spent_minor - given.amount_minor
        FROM (
            SELECT back.spending_limit, back.month, sum(back.amount_minor)::bigint AS amount_minor
            FROM back
            WHERE back.bids IS NULL AND back.spending_limit IS NOT NULL
            GROUP BY back.spending_limit, back.month
        ) AS given
        WHERE (counted.spending_limit, counted.month) = (given.spending_limit, given.month)
        RETURNING counted.id
    )
    SELECT count(*) INTO returned FROM back;
    RETURN returned;
END $$;

-- Counts orders again whose money came after they had lapsed: each was paid at a signed price, above the ceiling if
-- need be.
CREATE OR REPLACE FUNCTION count_late_spending(late uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH again AS (
        UPDATE spending SET returned_at = NULL
        WHERE subject = ANY (late) AND returned_at IS NOT NULL
        RETURNING spending.spending_limit, spending.month, amount_minor, bids
    )
    UPDATE spending_month AS counted
    SET spent_minor = spent_minor + again.amount_minor,
        ceiling_minor = greatest(ceiling_minor, spent_minor + again.amount_minor)
    FROM (
        SELECT spending_limit, month, sum(amount_minor)::bigint AS amount_minor
        FROM again
        WHERE bids IS NULL
        GROUP BY spending_limit, month
    ) AS again
    WHERE (counted.spending_limit, counted.month) = (again.spending_limit, again.month);
END $$;

-- Ends bids whose auction is over: from now on only the orders in it that were not given back count. Returns how many.
CREATE OR REPLACE FUNCTION close_bids_spending(over uuid[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    ended record;
    bought bigint;
    closed bigint := 0;
BEGIN
    FOR ended IN
        SELECT subject, spending.spending_limit, month, amount_minor
        FROM spending
        WHERE subject = ANY (over) AND closed_at IS NULL
        ORDER BY spending.spending_limit, month, subject
        FOR UPDATE
    LOOP
        SELECT coalesce(sum(amount_minor), 0) INTO bought
        FROM spending WHERE bids = ended.subject AND returned_at IS NULL;
        UPDATE spending_month SET spent_minor = spent_minor - ended.amount_minor + bought
        WHERE spending_limit = ended.spending_limit AND month = ended.month;
        UPDATE spending SET amount_minor = bought, closed_at = clock_timestamp() WHERE subject = ended.subject;
        closed := closed + 1;
    END LOOP;
    RETURN closed;
END $$;

-- Return whether a limit is in force: not revoked, and its colleague or one of its keys neither removed nor revoked, nor
-- one, or of one, who may not order any more.
CREATE OR REPLACE FUNCTION limit_is_in_force(asked uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT revoked_at IS NULL AND (
        EXISTS (
            SELECT FROM person
            WHERE person.id = spending_limit.person AND ended_at IS NULL
              AND company_role IN ('administrator', 'buyer', 'approver')
        )
        OR EXISTS (
            SELECT FROM api_key
            LEFT JOIN person ON person.id = api_key.owner
            WHERE coalesce(api_key.replaces, api_key.id) = spending_limit.api_key AND api_key.revoked_at IS NULL
              AND (api_key.owner IS NULL OR company_role IN ('administrator', 'buyer', 'approver'))
        )
    )
    FROM spending_limit
    WHERE spending_limit.id = asked;
$$;
