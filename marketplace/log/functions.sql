-- A fact that was stated stays as it was: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_fact
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
