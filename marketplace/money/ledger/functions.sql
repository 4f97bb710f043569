-- UPDATE, DELETE and TRUNCATE are refused: a correction is a new row.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON journal_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON posting
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period_balance
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Refuse entries and postings that are dated in a closed period. Writers share the advisory lock that a close has to itself,
-- so that no entry slips in while a month closes.
CREATE OR REPLACE FUNCTION refuse_closed_period() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    closed_until timestamptz;
    offender text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('periods', 0));
    SELECT max(ends_at) INTO closed_until FROM period;
    IF closed_until IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_TABLE_NAME = 'journal_entry' THEN
        SELECT kind || ' ' || source_id INTO offender FROM fresh WHERE at < closed_until LIMIT 1;
    ELSE
        SELECT kind || ' ' || source_id INTO offender
        FROM fresh JOIN journal_entry ON journal_entry.id = fresh.entry WHERE at < closed_until LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE EXCEPTION 'the entry % is dated in a closed period', offender
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'period_is_open';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER period_is_open AFTER INSERT ON journal_entry
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_period();
CREATE OR REPLACE TRIGGER period_is_open AFTER INSERT ON posting
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_closed_period();

-- Add what new postings move to the sums of their days; see `DaySum`.
CREATE OR REPLACE FUNCTION add_to_day_sums() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO day_sum (day, account, debit_minor, credit_minor)
    SELECT day, side.account, sum(side.debit_minor), sum(side.credit_minor)
    FROM (
        SELECT (at AT TIME ZONE 'Europe/Paris')::date AS day, debit, credit, sum(amount_minor) AS amount_minor
        FROM fresh JOIN journal_entry ON journal_entry.id = fresh.entry
        GROUP BY 1, 2, 3
    ) AS moved
    CROSS JOIN LATERAL (VALUES (debit, amount_minor, 0), (credit, 0, amount_minor)) AS side (account, debit_minor, credit_minor)
    GROUP BY day, side.account;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER added_to_day_sums AFTER INSERT ON posting
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION add_to_day_sums();
CREATE INDEX IF NOT EXISTS day_sum_by_day ON day_sum (day, account);

-- Months close in order, each once.
CREATE OR REPLACE FUNCTION refuse_period_out_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM period WHERE month > NEW.month) OR EXISTS (
        SELECT FROM period HAVING max(ends_at) <> NEW.starts_at
    ) THEN
        RAISE EXCEPTION 'months close one after the other' USING ERRCODE = 'restrict_violation', CONSTRAINT = 'in_order';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER in_order BEFORE INSERT ON period FOR EACH ROW EXECUTE FUNCTION refuse_period_out_of_order();

-- What a payment brought for an unpaid award is entered once, as a deposit or as a penalty.
CREATE UNIQUE INDEX IF NOT EXISTS deposit_or_penalty ON journal_entry (source_id)
    WHERE kind IN ('deposit_forfeited', 'penalty_received');
CREATE INDEX IF NOT EXISTS entry_by_date ON journal_entry (at, id);
CREATE INDEX IF NOT EXISTS entry_by_recording ON journal_entry (recorded_at, id);
CREATE INDEX IF NOT EXISTS posting_by_entry ON posting (entry);
CREATE INDEX IF NOT EXISTS posting_by_pair ON posting (debit, credit, entry);
CREATE INDEX IF NOT EXISTS posting_by_credit ON posting (credit, entry);

-- Refuse to empty documents of `before` and later unless the books have gone on for nine years since: neither a clock that is
-- wrong nor the role that serves ends a document that the law still wants.
CREATE OR REPLACE FUNCTION check_documents_are_old(before timestamptz) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM journal_entry WHERE at >= before + interval '9 years') THEN
        RAISE EXCEPTION 'the books have not gone on for nine years since %', before USING ERRCODE = 'restrict_violation';
    END IF;
END $$;

-- Note which entries are to be summed. Ids are given before transactions commit, so a job that remembered the last id it
-- saw would miss those that commit later.
CREATE OR REPLACE FUNCTION await_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unsummed_entry (entry)
    SELECT id FROM fresh WHERE kind IN (
        'sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued',
        'shares_held', 'shares_cancelled', 'shares_lost'
    );
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER await_sum AFTER INSERT ON journal_entry
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION await_sum();
