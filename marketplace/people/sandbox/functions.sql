-- Once a sandbox, always a sandbox.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON sandbox_mark
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
