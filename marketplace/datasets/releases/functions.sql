-- Published, spent, promised or signed rows are never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON privacy_spend
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON coverage
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON dossier
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON edition
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON revocation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON contributor_term
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON contributor_promise
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A promise belongs to a known term: checked for all rows written together. No term is ever deleted.
CREATE OR REPLACE FUNCTION refuse_unknown_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT term FROM fresh) AS promise
               WHERE NOT EXISTS (SELECT FROM contributor_term WHERE id = promise.term)) THEN
        RAISE EXCEPTION 'a promise names a term that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER known_term AFTER INSERT ON contributor_promise
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_terms();
-- Whether the numbers by day and zone are consistent and add up to `row_count` published cells. Sums over a parent zone
-- are of no zone, so zones may have fewer.
CREATE OR REPLACE FUNCTION days_add_up(row_count bigint, hours bigint[], days bigint[], zones bigint[])
RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(
        cardinality(hours) = cardinality(days)
        AND cardinality(zones) % greatest(cardinality(days), 1) = 0
        AND 0 <= ALL(hours || days || zones)
        AND (SELECT sum(cells) FROM unnest(days) AS cells) = row_count
        AND (SELECT coalesce(sum(cells), 0) FROM unnest(zones) AS cells) <= row_count,
        false
    )
$$;
-- A release is built in steps, and immutable once it ends; its editions are immutable from the start.
CREATE OR REPLACE TRIGGER sealed_for_ever BEFORE UPDATE OR DELETE ON release FOR EACH ROW
    WHEN (OLD.state IN ('sealed', 'refused', 'blocked', 'lapsed')) EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS release_by_dataset ON release (dataset, period_to DESC);
CREATE INDEX IF NOT EXISTS contributor_term_in_force ON contributor_term (dataset, starts_at);
CREATE INDEX IF NOT EXISTS contributor_term_by_end ON contributor_term (ends_at);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_build_a_period
    ON build_request (dataset, period_from, period_to, revision) WHERE ended_at IS NULL;

-- Records that a dataset changed. Each change is a row of its own: a reader that reads the dataset and then deletes the
-- records it saw deletes none of a change that is not yet committed.
-- Packages above may call it.
CREATE OR REPLACE FUNCTION note_dataset_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dataset_change (dataset)
    SELECT CASE TG_TABLE_NAME
        WHEN 'revocation' THEN (SELECT release.dataset FROM release WHERE release.id = (to_jsonb(NEW) ->> 'release')::uuid)
        WHEN 'dataset' THEN to_jsonb(NEW) ->> 'code'
        ELSE to_jsonb(NEW) ->> 'dataset'
    END;
    RETURN NULL;
END $$;
-- Records that the datasets of releases changed, of which a statement wrote rows.
-- Packages above may call it.
CREATE OR REPLACE FUNCTION note_changed_releases() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO dataset_change (dataset)
    SELECT DISTINCT release.dataset FROM changed JOIN release ON release.id = changed.release;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER note_change AFTER INSERT OR UPDATE OF state ON release
    FOR EACH ROW WHEN (NEW.state = 'sealed') EXECUTE FUNCTION note_dataset_change();
CREATE OR REPLACE TRIGGER note_change AFTER UPDATE OF cadence, title_fr, title_en ON dataset
    FOR EACH ROW EXECUTE FUNCTION note_dataset_change();
CREATE OR REPLACE TRIGGER note_change AFTER INSERT ON revocation
    FOR EACH ROW EXECUTE FUNCTION note_dataset_change();
CREATE INDEX IF NOT EXISTS dataset_change_by_dataset ON dataset_change (dataset);

-- The sealed release of a dataset's latest period, leaving out those called back: the one on sale today. It is one
-- statement without settings of its own, so that the planner can inline it in a query.
CREATE OR REPLACE FUNCTION latest_release(code text) RETURNS SETOF release LANGUAGE sql STABLE AS $$
    SELECT release.*
    FROM release
    WHERE release.dataset = code
      AND release.state = 'sealed'
      AND NOT EXISTS (SELECT FROM revocation WHERE revocation.release = release.id)
    ORDER BY release.period_to DESC, release.sealed_at DESC
    LIMIT 1
$$;
