-- The bank's statements are never edited: UPDATE, DELETE and TRUNCATE are refused, except for emptying a line's names
-- after their retention.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON bank_statement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON bank_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER only_emptied BEFORE UPDATE ON bank_line
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_emptying('counterparty,counterparty_iban,remittance');

-- The bank's announcements are not edited either, except for emptying their names after their retention.
CREATE OR REPLACE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON bank_notice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER only_emptied BEFORE UPDATE ON bank_notice
    FOR EACH ROW EXECUTE FUNCTION refuse_all_but_emptying('counterparty,counterparty_iban,remittance');
CREATE INDEX IF NOT EXISTS bank_notice_by_entry ON bank_notice (iban, entry);

-- The explanations of a bank line add up to it exactly, or there are none.
CREATE OR REPLACE FUNCTION refuse_partial_match() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM bank_line JOIN bank_match ON bank_match.line = bank_line.id AND undone_at IS NULL
        WHERE bank_line.id IN (SELECT line FROM fresh)
        GROUP BY bank_line.id HAVING sum(bank_match.amount_minor) <> bank_line.amount_minor
    ) THEN
        RAISE EXCEPTION 'what explains a bank line must add up to it' USING ERRCODE = 'check_violation', CONSTRAINT = 'adds_up';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER adds_up AFTER INSERT ON bank_match
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_partial_match();
CREATE OR REPLACE TRIGGER adds_up_after_undoing AFTER UPDATE ON bank_match
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_partial_match();

-- A match is undone at most once, and otherwise never changed.
CREATE OR REPLACE TRIGGER only_undone BEFORE UPDATE ON bank_match FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('undone_at');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON bank_match
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The page of a statement, by its number: those of one day follow each other.
CREATE OR REPLACE FUNCTION page_of(statement_id text) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(substring(statement_id FROM ' p\. ([0-9]{1,9})$')::bigint, 1)
$$;
CREATE INDEX IF NOT EXISTS bank_line_by_statement ON bank_line (statement, id);
CREATE INDEX IF NOT EXISTS bank_line_by_date ON bank_line (booked_on, id);
CREATE INDEX IF NOT EXISTS bank_line_by_end_to_end_id ON bank_line (end_to_end_id) WHERE end_to_end_id <> '';
CREATE INDEX IF NOT EXISTS bank_match_by_line ON bank_match (line) WHERE undone_at IS NULL;
CREATE INDEX IF NOT EXISTS bank_match_by_target ON bank_match (target_kind, target_id) WHERE undone_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_line_a_payout ON bank_match (target_id) WHERE target_kind = 'payout' AND undone_at IS NULL;

-- Rows near an amount are found by walking an index both ways, at most `most` rows each, however many were sold: only
-- orders and payouts within a fiftieth of it, because no others are candidates by their amount.
CREATE INDEX IF NOT EXISTS bank_line_by_amount ON bank_line (amount_minor, id DESC);
CREATE INDEX IF NOT EXISTS bank_match_by_account ON bank_match (account, matched_at DESC);

-- Credits near an amount; those of exactly that amount the latest first.
CREATE OR REPLACE FUNCTION lines_near(amount bigint, most bigint) RETURNS SETOF bigint LANGUAGE sql STABLE AS $$
    (
        SELECT id FROM bank_line WHERE amount_minor >= greatest(amount, 1) ORDER BY amount_minor, id DESC LIMIT most
    )
    UNION ALL
    (
        SELECT id FROM bank_line WHERE amount_minor > 0 AND amount_minor < amount ORDER BY amount_minor DESC, id LIMIT most
    )
$$;

-- Orders of some numbers; orders that await their money, are paid or on credit, and owe about an amount if nothing of
-- it has come; and the latest orders with a part received by bank, on the account `partners`, or with another amount
-- than requested received through Stripe.
CREATE OR REPLACE FUNCTION orders_near(amount bigint, numbers text[], most bigint, partners text) RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
    SELECT id FROM purchase_order WHERE number = ANY (numbers)
    UNION
    SELECT near.id
    FROM unnest(ARRAY['awaiting_payment', 'paid']) AS its (state)
    CROSS JOIN LATERAL (
        (
            SELECT id FROM purchase_order
            WHERE purchase_order.state = its.state AND total_minor BETWEEN amount AND amount + amount / 50
            ORDER BY total_minor
            LIMIT most
        )
        UNION ALL
        (
            SELECT id FROM purchase_order
            WHERE purchase_order.state = its.state AND total_minor BETWEEN amount - amount / 50 AND amount - 1
            ORDER BY total_minor DESC
            LIMIT most
        )
    ) AS near
    UNION
    (
        SELECT subject FROM credit_sale
        WHERE total_minor <> returned_minor + paid_minor
          AND total_minor - returned_minor - paid_minor BETWEEN amount AND amount + abs(amount) / 50
        ORDER BY total_minor - returned_minor - paid_minor
        LIMIT most
    )
    UNION
    (
        SELECT subject FROM credit_sale
        WHERE total_minor <> returned_minor + paid_minor
          AND total_minor - returned_minor - paid_minor BETWEEN amount - abs(amount) / 50 AND amount - 1
        ORDER BY total_minor - returned_minor - paid_minor DESC
        LIMIT most
    )
    UNION
    (
        SELECT target_id::uuid FROM bank_match
        WHERE account = partners AND target_kind = 'order' AND undone_at IS NULL
        ORDER BY matched_at DESC
        LIMIT most
    )
    UNION
    (
        SELECT subject FROM payment
        WHERE received_minor <> amount_minor AND received_minor > 0
        ORDER BY paid_at DESC
        LIMIT most
    )
$$;

-- Stripe's payouts of some names in lower case, and near an amount.
CREATE OR REPLACE FUNCTION stripe_payouts_near(amount bigint, names text[], most bigint) RETURNS SETOF text
LANGUAGE sql STABLE AS $$
    SELECT source_id FROM balance_transaction WHERE category = 'payout' AND lower(source_id) = ANY (names)
    UNION
    (
        SELECT source_id FROM balance_transaction
        WHERE category = 'payout' AND net_minor BETWEEN -amount - amount / 50 AND -amount
        ORDER BY net_minor DESC
        LIMIT most
    )
    UNION
    (
        SELECT source_id FROM balance_transaction
        WHERE category = 'payout' AND net_minor BETWEEN 1 - amount AND amount / 50 - amount
        ORDER BY net_minor
        LIMIT most
    )
$$;

-- Subscribers' payouts and batches of some ids, and near an amount: for a credit payouts that may come back, for a
-- debit batches and open payouts; if there are many open ones, the line's text alone finds them.
CREATE OR REPLACE FUNCTION payouts_near(amount bigint, ids uuid[], most bigint) RETURNS SETOF uuid
LANGUAGE sql STABLE AS $$
    SELECT unnest(ids)
    UNION
    (
        SELECT id FROM payout
        WHERE state IN ('settled', 'failed') AND amount_minor BETWEEN amount AND amount + amount / 50
        ORDER BY amount_minor
        LIMIT most
    )
    UNION
    (
        SELECT id FROM payout
        WHERE state IN ('settled', 'failed') AND amount_minor BETWEEN amount - amount / 50 AND amount - 1
        ORDER BY amount_minor DESC
        LIMIT most
    )
    UNION
    (
        SELECT id FROM payout_batch
        WHERE amount_minor BETWEEN amount / 50 - amount AND -amount / 50 - amount
        ORDER BY amount_minor
        LIMIT most
    )
    UNION
    SELECT id
    FROM (SELECT id, amount_minor FROM payout WHERE state = 'open' AND amount < 0 LIMIT most * 10) AS unpaid
    WHERE amount_minor BETWEEN amount / 50 - amount AND -amount / 50 - amount
$$;

-- Empties the other party and text of at most `most` lines dated before an instant; dates, amounts, ids and matches stay.
-- Returns how many.
CREATE OR REPLACE FUNCTION empty_old_lines(before timestamptz, most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old bigint[];
BEGIN
    SELECT array_agg(id) INTO old
    FROM (
        SELECT id FROM bank_line
        WHERE booked_on < before::date AND (counterparty, counterparty_iban, remittance) <> ('', '', '')
        LIMIT most
    ) AS found;
    IF old IS NOT NULL THEN
        PERFORM check_documents_are_old(before);
        UPDATE bank_line SET counterparty = '', counterparty_iban = '', remittance = '' WHERE id = ANY (old);
    END IF;
    RETURN coalesce(cardinality(old), 0);
END $$;

-- Empties the same in announcements. Returns how many.
CREATE OR REPLACE FUNCTION empty_old_notices(before timestamptz, most bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old bigint[];
BEGIN
    SELECT array_agg(id) INTO old
    FROM (
        SELECT id FROM bank_notice
        WHERE booked_on < before::date AND (counterparty, counterparty_iban, remittance) <> ('', '', '')
        LIMIT most
    ) AS found;
    IF old IS NOT NULL THEN
        PERFORM check_documents_are_old(before);
        UPDATE bank_notice SET counterparty = '', counterparty_iban = '', remittance = '' WHERE id = ANY (old);
    END IF;
    RETURN coalesce(cardinality(old), 0);
END $$;

-- A rule is ended once, and otherwise never changed.
CREATE OR REPLACE TRIGGER only_ended BEFORE UPDATE ON bank_rule
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('ended_at,ended_by');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON bank_rule
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
