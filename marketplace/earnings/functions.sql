-- What was shared is never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON share_run
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON former_split
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accrual
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closed_share
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- All that was ever added to subscribers' payable balances or taken from them: what ended closes made theirs, what was
-- released before months were closed, payouts and what came back of them. Rows of a close under way count for nobody.
CREATE OR REPLACE FUNCTION payable_movements() RETURNS TABLE (subscriber bigint, payable_micro bigint, run bigint)
LANGUAGE sql STABLE AS $$
    SELECT accrual.subscriber, accrual.payable_micro, accrual.run FROM accrual WHERE accrual.payable_micro <> 0
    UNION ALL
    SELECT closed_share.subscriber, closed_share.payable_micro, share_close.run
    FROM share_close JOIN closed_share ON closed_share.close = share_close.id
    WHERE share_close.run IS NOT NULL
$$;

-- A close writes into a table of its own, `closing_share`, without a key; an earlier one's is never there any more.
-- The schema's owner makes it, for the serving role may not; all that may add to `closed_share` may add to it.
CREATE OR REPLACE FUNCTION begin_closing(close bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    writer name;
BEGIN
    EXECUTE format('CREATE TABLE closing_share (LIKE closed_share INCLUDING CONSTRAINTS, CONSTRAINT of_one_close CHECK (close = %s))', close);
    FOR writer IN
        SELECT pg_get_userbyid(acl.grantee) FROM pg_class, aclexplode(relacl) AS acl
        WHERE pg_class.oid = 'closed_share'::regclass AND acl.privilege_type = 'INSERT' AND acl.grantee <> relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON closing_share TO %I', writer);
    END LOOP;
END $$;

-- Gives `closing_share` its key, once all is written; again, nothing happens.
CREATE OR REPLACE FUNCTION add_closing_key() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET maintenance_work_mem = '512MB' AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'closing_share'::regclass AND contype = 'p') THEN
        ALTER TABLE closing_share ADD PRIMARY KEY (subscriber);
    END IF;
END $$;

-- Makes `closing_share` the part of `closed_share` that a close ends with; what is there is never edited.
CREATE OR REPLACE FUNCTION attach_closing(close bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE closing_share RENAME TO closed_share_%s', close);
    EXECUTE format('ALTER INDEX closing_share_pkey RENAME TO closed_share_%s_pkey', close);
    EXECUTE format('ALTER TABLE closed_share ATTACH PARTITION closed_share_%s FOR VALUES IN (%s)', close, close);
    EXECUTE format('ALTER TABLE closed_share_%s DROP CONSTRAINT of_one_close', close);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closed_share_%s '
                   'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', close);
END $$;

-- A month's close only goes forward: once it has ended nothing of it is edited, and it is never deleted.
CREATE OR REPLACE FUNCTION refuse_close_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR OLD.run IS NOT NULL OR (OLD.id, OLD.month, OLD.begun_at) IS DISTINCT FROM (NEW.id, NEW.month, NEW.begun_at)
       OR coalesce(NEW.next_reference < OLD.next_reference, OLD.next_reference IS NULL AND NEW.next_reference IS NOT NULL) THEN
        RAISE EXCEPTION 'a month''s close only goes forward' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER only_forward BEFORE UPDATE OR DELETE ON share_close FOR EACH ROW EXECUTE FUNCTION refuse_close_change();
CREATE UNIQUE INDEX IF NOT EXISTS one_close_under_way ON share_close ((run IS NULL)) WHERE run IS NULL;

-- Accruals name known subscribers and runs. Checked for a whole COPY at once: foreign keys, checked row by row, would make a
-- run three times slower.
CREATE OR REPLACE FUNCTION refuse_unknown_accruals() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM fresh LEFT JOIN subscriber ON subscriber.reference = fresh.subscriber
        WHERE subscriber.reference IS NULL
    ) OR EXISTS (SELECT FROM fresh LEFT JOIN share_run ON share_run.id = fresh.run WHERE share_run.id IS NULL) THEN
        RAISE EXCEPTION 'an accrual names a subscriber or a run that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER known_subscriber_and_run AFTER INSERT ON accrual
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_accruals();

-- No payout leaves a subscriber's balance below zero. Checked once a statement, for the subscribers that it takes from.
CREATE OR REPLACE FUNCTION refuse_overpayment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM (SELECT DISTINCT subscriber FROM fresh WHERE payable_micro < 0) AS paid
        JOIN LATERAL (
            SELECT sum(payable_micro) AS left_micro FROM payable_movements() AS moved WHERE moved.subscriber = paid.subscriber
        ) AS balance ON true
        WHERE left_micro < 0
    ) THEN
        RAISE EXCEPTION 'a payout would take more than the subscriber has' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER never_below_zero AFTER INSERT ON accrual
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_overpayment();

CREATE INDEX IF NOT EXISTS split_held ON licence_split (licence) WHERE state = 'held';
CREATE INDEX IF NOT EXISTS split_released ON licence_split (licence) WHERE state = 'released';
CREATE INDEX IF NOT EXISTS split_by_close ON licence_split (close) WHERE close IS NOT NULL;
