-- What a release was counted over is never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON zone_table
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
