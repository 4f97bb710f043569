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

-- A close writes into tables of its own, without keys: each is `closing_share` while it is written, `closing_share_1` and so
-- on from the end of that transaction, and gets its key while the next is written. An earlier close's are never there.
CREATE OR REPLACE FUNCTION closing_parts() RETURNS TABLE (name text, number bigint, is_full boolean) LANGUAGE sql STABLE AS $$
    SELECT relname, row_number() OVER (ORDER BY substring(relname FROM '\d+$')::int NULLS LAST), relname <> 'closing_share'
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ '^closing_share(_\d+)?$'
    ORDER BY 2
$$;

-- Makes a table of a close's rows, whose definition `rest` ends. All that may add to `closed_share` may add to it.
CREATE OR REPLACE FUNCTION make_closing_table(name text, rest text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    writer text;
BEGIN
    EXECUTE format('CREATE TABLE %I (LIKE closed_share INCLUDING CONSTRAINTS%s', name, rest);
    FOR writer IN
        SELECT pg_get_userbyid(acl.grantee) FROM pg_class, aclexplode(relacl) AS acl
        WHERE pg_class.oid = 'closed_share'::regclass AND acl.privilege_type = 'INSERT' AND acl.grantee <> relowner
    LOOP
        EXECUTE format('GRANT SELECT, INSERT ON %I TO %I', name, writer);
    END LOOP;
END $$;
DROP FUNCTION IF EXISTS make_closing_table(text, bigint, text);

-- Makes `closing_share`: the schema's owner does, for the serving role may not.
CREATE OR REPLACE FUNCTION begin_closing(close bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM make_closing_table('closing_share', format(', CONSTRAINT of_one_close CHECK (close = %s))', close));
END $$;

-- Puts what is written aside as a full part.
CREATE OR REPLACE FUNCTION end_closing_part() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE closing_share RENAME TO closing_share_%s', (SELECT count(*) FROM closing_parts()));
END $$;

-- Makes the next part's table, after what an earlier version may have left is put aside. Where it is known beforehand that the
-- part's subscribers are in [first, until), each row is checked as it is written; else `until` is null.
CREATE OR REPLACE FUNCTION begin_closing_part(close bigint, first bigint, until bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF to_regclass('closing_share') IS NOT NULL THEN
        PERFORM end_closing_part();
    END IF;
    IF until IS NULL THEN
        PERFORM begin_closing(close);
    ELSE  -- one constraint of both, for each costs a tenth of what writing a row does; its name says where the part lies
        PERFORM make_closing_table('closing_share', format(
            ', CONSTRAINT in_%2$s_%3$s CHECK (close = %1$s AND subscriber >= %2$s AND subscriber < %3$s))', close, first, until));
    END IF;
END $$;
DROP FUNCTION IF EXISTS begin_closing_part(bigint);

-- Gives full parts, or all, their keys and says of each where it lies if it does not yet, so that it is attached unread; again,
-- nothing happens.
-- Rows come in the key's order, so sorting them is nothing to share: helpers only cost the other core, which is at work.
CREATE OR REPLACE FUNCTION add_closing_keys(also_of_the_last boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET maintenance_work_mem = '512MB' SET max_parallel_maintenance_workers = 0 AS $$
DECLARE
    part text;
    first bigint;
    until bigint;
BEGIN
    FOR part IN SELECT name FROM closing_parts() WHERE is_full OR also_of_the_last LOOP
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass(part) AND contype = 'p') THEN
            EXECUTE format('ALTER TABLE %I ADD PRIMARY KEY (subscriber) WITH (fillfactor = 100)', part);
        END IF;
        IF NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = to_regclass(part) AND conname ~ '^in_\d+_\d+$') THEN
            EXECUTE format('SELECT coalesce(min(subscriber), 0), coalesce(max(subscriber), 0) + 1 FROM %I', part) INTO first, until;
            EXECUTE format('ALTER TABLE %1$I ADD CONSTRAINT in_%2$s_%3$s CHECK (subscriber >= %2$s AND subscriber < %3$s)',
                           part, first, until);
        END IF;
    END LOOP;
END $$;

-- Gives all parts their keys.
CREATE OR REPLACE FUNCTION add_closing_key() RETURNS void LANGUAGE sql
AS 'SELECT add_closing_keys(also_of_the_last => true)';

-- Makes what a close has written the part of `closed_share` that it ends with; what is there is never edited.
CREATE OR REPLACE FUNCTION attach_closing(close bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    whole text := 'closed_share_' || close;
    written record;
    leaf text;
    is_empty boolean;
BEGIN
    PERFORM make_closing_table(whole, ') PARTITION BY RANGE (subscriber)');
    FOR written IN
        SELECT name, number, string_to_array(conname, '_') AS bounds
        FROM closing_parts() JOIN pg_constraint ON conrelid = to_regclass(name) AND conname ~ '^in_\d+_\d+$'
    LOOP
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', written.name) INTO is_empty;
        IF is_empty THEN
            EXECUTE format('DROP TABLE %I', written.name);
            CONTINUE;
        END IF;
        leaf := format('%s_%s', whole, written.number);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', written.name, leaf);
        EXECUTE format('ALTER INDEX %I RENAME TO %I', written.name || '_pkey', leaf || '_pkey');
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                       whole, leaf, written.bounds[2], written.bounds[3]);
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
                       'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', leaf);
    END LOOP;
    EXECUTE format('ALTER TABLE closed_share ATTACH PARTITION %I FOR VALUES IN (%s)', whole, close);
    FOR written IN
        SELECT conrelid::regclass::text AS leaf, conname FROM pg_inherits JOIN pg_constraint ON conrelid = inhrelid
        WHERE inhparent = to_regclass(whole) AND conname ~ '^(of_one_close|in_range|in_\d+_\d+)$'
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', written.leaf, written.conname);
    END LOOP;
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', whole);
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
