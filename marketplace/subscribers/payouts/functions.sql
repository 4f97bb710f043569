-- The bank's answers are never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payout_answer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A payout run only goes forward; its draft and decisions are never edited.
CREATE OR REPLACE FUNCTION refuse_payout_run_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payout run is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.route, OLD.threshold_minor, OLD.drafted_at) IS DISTINCT FROM (NEW.id, NEW.route, NEW.threshold_minor, NEW.drafted_at)
       OR OLD.state <> 'draft' AND (OLD.amount_minor, OLD.people, OLD.prepared_by, OLD.approved_by, OLD.approved_at, OLD.reason)
          IS DISTINCT FROM (NEW.amount_minor, NEW.people, NEW.prepared_by, NEW.approved_by, NEW.approved_at, NEW.reason)
       OR OLD.prepared_by IS NOT NULL AND NEW.prepared_by IS DISTINCT FROM OLD.prepared_by
       OR OLD.sent_at IS NOT NULL AND (OLD.sent_at, OLD.moved_by) IS DISTINCT FROM (NEW.sent_at, NEW.moved_by)
       OR OLD.sent_at IS NOT NULL AND NEW.file_sequence <> OLD.file_sequence + 1
          AND (OLD.execute_on, OLD.file_sha256, OLD.file_sequence)
              IS DISTINCT FROM (NEW.execute_on, NEW.file_sha256, NEW.file_sequence) THEN
        RAISE EXCEPTION 'a payout run is fixed once it is decided' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.state, NEW.state) NOT IN (
        ('draft', 'draft'), ('draft', 'approved'), ('draft', 'cancelled'), ('approved', 'approved'), ('approved', 'sent'),
        ('approved', 'cancelled'), ('sent', 'sent'), ('sent', 'settled'), ('sent', 'failed'), ('settled', 'settled'),
        ('failed', 'failed')) THEN
        RAISE EXCEPTION 'a payout run only goes forward' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE OR DELETE ON payout_run FOR EACH ROW EXECUTE FUNCTION refuse_payout_run_change();

-- A file is written once; its replacement has the next version. Its facts about the run are never edited.
CREATE OR REPLACE FUNCTION refuse_payout_file_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payout file is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.run, OLD.number, OLD.first_batch, OLD.last_batch)
       IS DISTINCT FROM (NEW.id, NEW.run, NEW.number, NEW.first_batch, NEW.last_batch)
       OR NEW.sequence <> OLD.sequence + 1 THEN
        RAISE EXCEPTION 'a payout file is replaced by one without some of its payees, never edited' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER only_replaced BEFORE UPDATE OR DELETE ON payout_file FOR EACH ROW EXECUTE FUNCTION refuse_payout_file_change();

-- A payout only goes forward, and its person and amount are never edited.
CREATE OR REPLACE FUNCTION refuse_payout_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a payout is never deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.run, OLD.batch, OLD.subscriber, OLD.details, OLD.stripe_account, OLD.amount_minor)
       IS DISTINCT FROM (NEW.id, NEW.run, NEW.batch, NEW.subscriber, NEW.details, NEW.stripe_account, NEW.amount_minor)
       OR (OLD.state, NEW.state) NOT IN (('open', 'settled'), ('open', 'failed'), ('open', 'cancelled'), ('settled', 'failed')) THEN
        RAISE EXCEPTION 'a payout only goes forward' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.recredited_by IS DISTINCT FROM OLD.recredited_by
       AND NOT EXISTS (SELECT FROM share_run WHERE share_run.id = NEW.recredited_by) THEN
        RAISE EXCEPTION 'a payout names a pass that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE OR DELETE ON payout FOR EACH ROW EXECUTE FUNCTION refuse_payout_change();

-- The sums on a run's page are updated as payouts end, so that a page never counts millions of payouts.
CREATE OR REPLACE FUNCTION keep_sums_of_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payout_sum AS kept (run, what, people, amount_minor)
    SELECT run, state, sum(people), sum(amount_minor)
    FROM (
        SELECT run, state, 1 AS people, amount_minor FROM fresh
        UNION ALL
        SELECT run, state, -1, -amount_minor FROM former
    ) AS moved
    WHERE state <> 'open'
    GROUP BY run, state
    HAVING sum(people) <> 0
    ORDER BY run, state
    ON CONFLICT (run, what) DO UPDATE
    SET people = kept.people + excluded.people, amount_minor = kept.amount_minor + excluded.amount_minor;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER sums_of_ended AFTER UPDATE ON payout
    REFERENCING OLD TABLE AS former NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION keep_sums_of_ended();

-- The same as our bank checks names.
CREATE OR REPLACE FUNCTION keep_sums_of_new_checks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payout_sum AS kept (run, what, people, amount_minor)
    SELECT run, concat_ws('/', outcome, decision) AS what, count(*), sum(amount_minor)
    FROM fresh
    JOIN payout ON payout.id = fresh.payout
    GROUP BY run, what
    ORDER BY run, what
    ON CONFLICT (run, what) DO UPDATE
    SET people = kept.people + excluded.people, amount_minor = kept.amount_minor + excluded.amount_minor;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER sums_of_new_checks AFTER INSERT ON payee_check
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION keep_sums_of_new_checks();

-- The same as finance decides about names, or the bank changes its answer.
CREATE OR REPLACE FUNCTION keep_sums_of_checks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO payout_sum AS kept (run, what, people, amount_minor)
    SELECT run, what, sum(one), sum(one * amount_minor)
    FROM (
        SELECT payout, concat_ws('/', outcome, decision) AS what, 1 AS one FROM fresh
        UNION ALL
        SELECT payout, concat_ws('/', outcome, decision), -1 FROM former
    ) AS moved
    JOIN payout ON payout.id = moved.payout
    GROUP BY run, what
    HAVING sum(one) <> 0
    ORDER BY run, what
    ON CONFLICT (run, what) DO UPDATE
    SET people = kept.people + excluded.people, amount_minor = kept.amount_minor + excluded.amount_minor;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER sums_of_checks AFTER UPDATE ON payee_check
    REFERENCING OLD TABLE AS former NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION keep_sums_of_checks();

-- Payouts are added only to a draft, for known lines, to bank details of these lines: checked for a whole draft at
-- once, and planned again each time, because a draft has one payout or millions. Payouts are never deleted.
CREATE OR REPLACE FUNCTION refuse_late_payouts() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_late boolean;
    is_unknown boolean;
BEGIN
    EXECUTE 'SELECT
        EXISTS (
            SELECT FROM (SELECT DISTINCT run FROM fresh) AS added JOIN payout_run ON payout_run.id = added.run
            WHERE payout_run.state <> ''draft''
        ),
        EXISTS (
            SELECT FROM (SELECT DISTINCT run FROM fresh) AS added LEFT JOIN payout_run ON payout_run.id = added.run
            WHERE payout_run.id IS NULL
        ) OR EXISTS (
            SELECT FROM fresh
            LEFT JOIN bank_details ON bank_details.id = fresh.details AND bank_details.subscriber = fresh.subscriber
            WHERE fresh.details IS NOT NULL AND bank_details.id IS NULL
        ) OR EXISTS (
            SELECT FROM fresh LEFT JOIN subscriber ON subscriber.reference = fresh.subscriber
            WHERE fresh.details IS NULL AND subscriber.reference IS NULL
        )' INTO is_late, is_unknown;
    IF is_unknown THEN
        RAISE EXCEPTION 'a payout names a run, a line or bank details of it that do not exist' USING ERRCODE = 'foreign_key_violation';
    ELSIF is_late THEN
        RAISE EXCEPTION 'payouts are added to a draft alone' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER into_a_draft AFTER INSERT ON payout
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_late_payouts();

-- Bank details are replaced, never edited. Deleting their sealed number leaves the last four characters, which explain
-- old payouts, or 0000 once their holder was erased.
CREATE OR REPLACE FUNCTION refuse_details_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'bank details are ended, not deleted' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (OLD.id, OLD.subscriber, OLD.country, OLD.added_at, OLD.usable_from)
       IS DISTINCT FROM (NEW.id, NEW.subscriber, NEW.country, NEW.added_at, NEW.usable_from)
       OR NEW.last_four <> OLD.last_four AND (NEW.sealed IS NOT NULL OR NEW.last_four <> '0000')
       OR OLD.ended_at IS NOT NULL AND NEW.ended_at IS DISTINCT FROM OLD.ended_at
       OR OLD.sealed IS NULL AND NEW.sealed IS NOT NULL THEN
        RAISE EXCEPTION 'bank details are replaced, never edited' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER never_edited BEFORE UPDATE OR DELETE ON bank_details FOR EACH ROW EXECUTE FUNCTION refuse_details_change();

CREATE UNIQUE INDEX IF NOT EXISTS one_current_details ON bank_details (subscriber) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS details_by_subscriber ON bank_details (subscriber, added_at DESC);
CREATE INDEX IF NOT EXISTS details_by_fingerprint ON bank_details (fingerprint) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS details_ended ON bank_details (ended_at) WHERE ended_at IS NOT NULL AND sealed IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_open_payout ON payout (subscriber) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS payout_by_run ON payout (run, batch, id);
CREATE INDEX IF NOT EXISTS payout_by_subscriber ON payout (subscriber);
CREATE INDEX IF NOT EXISTS payout_recredited ON payout (recredited_by) WHERE recredited_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS payout_run_by_date ON payout_run (drafted_at DESC);
CREATE UNIQUE INDEX IF NOT EXISTS one_draft_a_route ON payout_run (route) WHERE state IN ('draft', 'approved');
CREATE UNIQUE INDEX IF NOT EXISTS one_draft_asked_a_route ON payout_draft_request (route) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS answer_by_run ON payout_answer (run, received_at);
CREATE INDEX IF NOT EXISTS payout_run_to_send ON payout_run (send_asked_at) WHERE state = 'approved' AND send_asked_at IS NOT NULL;
-- Finds the ended payouts, which are few, without reading the others of their run.
CREATE INDEX IF NOT EXISTS payout_failed ON payout (run, batch, id) WHERE state = 'failed';
-- There may be millions of open payouts, which are written at once.
CREATE INDEX IF NOT EXISTS payout_ended_by_amount ON payout (amount_minor) WHERE state IN ('settled', 'failed');
CREATE INDEX IF NOT EXISTS payout_batch_by_amount ON payout_batch (amount_minor);
CREATE INDEX IF NOT EXISTS check_differing ON payee_check (payout) WHERE outcome <> 'match';
