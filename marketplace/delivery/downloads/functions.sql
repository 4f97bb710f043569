-- UPDATE, DELETE and TRUNCATE are refused: the list of downloads is evidence.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON download
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS download_by_entitlement ON download (entitlement, at DESC);
