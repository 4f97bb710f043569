-- A zone table is never edited, since releases were counted over it: UPDATE, DELETE and TRUNCATE are refused, except of
-- titles.
CREATE OR REPLACE TRIGGER append_only
    BEFORE UPDATE OF code, document, sha256, zone_count, defined_by, defined_at OR DELETE OR TRUNCATE ON zone_table
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
