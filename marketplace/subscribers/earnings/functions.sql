-- Shares are never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON share_run
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accrual
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON closed_share
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Everything ever credited to or debited from subscribers' payable balances: ended closes, payouts, rewards and their
-- returns. Rows of a close under way do not count.
CREATE OR REPLACE FUNCTION payable_movements() RETURNS TABLE (subscriber bigint, payable_micro bigint, run bigint)
LANGUAGE sql STABLE AS $$
    SELECT accrual.subscriber, accrual.payable_micro, accrual.run FROM accrual
    UNION ALL
    SELECT closed_share.subscriber, closed_share.payable_micro, share_close.run
    FROM share_close JOIN closed_share ON closed_share.close = share_close.id
    WHERE share_close.run IS NOT NULL
$$;

-- A close writes into its own tables, without keys: each is `closing_share` while it is written, `closing_share_1` and
-- so on from the end of that transaction, and gets its key while the next is written. Tables of earlier closes no
-- longer exist.
CREATE OR REPLACE FUNCTION closing_parts() RETURNS TABLE (name text, number bigint, is_full boolean) LANGUAGE sql STABLE AS $$
    SELECT relname, row_number() OVER (ORDER BY substring(relname FROM '\d+$')::int NULLS LAST), relname <> 'closing_share'
    FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname ~ '^closing_share(_\d+)?$'
    ORDER BY 2
$$;

-- Makes a table of a close's rows; `rest` ends its definition. Roles that may insert into `closed_share` may insert
-- into it.
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

-- Makes `closing_share` as the schema's owner, because the serving role may not create tables.
CREATE OR REPLACE FUNCTION begin_closing(close bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM make_closing_table('closing_share', format(', CONSTRAINT of_one_close CHECK (close = %s))', close));
END $$;

-- Renames the full part.
CREATE OR REPLACE FUNCTION end_closing_part() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE closing_share RENAME TO closing_share_%s', (SELECT count(*) FROM closing_parts()));
END $$;

-- Makes the next part's table. If the part's subscribers are known to be in [first, until), each row is checked as it
-- is written; otherwise `until` is null.
CREATE OR REPLACE FUNCTION begin_closing_part(close bigint, first bigint, until bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF until IS NULL THEN
        PERFORM begin_closing(close);
    ELSE  -- one constraint of both, for each costs a tenth of what writing a row does; its name says where the part lies
        PERFORM make_closing_table('closing_share', format(
            ', CONSTRAINT in_%2$s_%3$s CHECK (close = %1$s AND subscriber >= %2$s AND subscriber < %3$s))', close, first, until));
    END IF;
END $$;

-- Adds keys to full parts, or to all, and a CHECK of their range if they lack one, so that they are attached unread; a
-- second call changes nothing. Rows come in the key's order, so there is no sorting to share: parallel workers would
-- only use the other core, which is busy.
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

-- Adds keys to all parts.
CREATE OR REPLACE FUNCTION add_closing_key() RETURNS void LANGUAGE sql
AS 'SELECT add_closing_keys(also_of_the_last => true)';

-- Attaches a close's parts to `closed_share`, which ends the close; existing rows are never edited.
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
        WHERE inhparent = to_regclass(whole) AND conname ~ '^(of_one_close|in_\d+_\d+)$'
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', written.leaf, written.conname);
    END LOOP;
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I '
                   'FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', whole);
END $$;

-- A month's close only goes forward: once ended it is never edited, and it is never deleted.
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

-- Accruals name known subscribers and runs. Checked for a whole COPY at once: foreign keys, which are checked row by
-- row, would make a run three times slower.
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

-- No payout leaves a subscriber's balance below zero. Checked once a statement, for the subscribers that it debits.
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

CREATE INDEX IF NOT EXISTS part_by_reference ON contribution_part (segment, last_reference);
CREATE INDEX IF NOT EXISTS sold_release_not_indexed ON sold_release (number) WHERE segment IS NULL;
CREATE INDEX IF NOT EXISTS segment_in_use ON contribution_segment (state) WHERE state <> 'retired';
