-- What a release was counted over is never edited: UPDATE, DELETE and TRUNCATE are refused, but of what a table is called.
CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OF code, document, sha256, zone_count, defined_by, defined_at OR DELETE OR TRUNCATE ON zone_table
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
