-- A stated fact never changes: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_fact
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hidden_fact
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Queues facts for the log. Numbers are given before transactions commit, so a job that remembered the last number it
-- saw would miss facts that commit later.
CREATE OR REPLACE FUNCTION await_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unlogged_fact (fact) SELECT id FROM written;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER await_log AFTER INSERT ON log_fact
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION await_log();
