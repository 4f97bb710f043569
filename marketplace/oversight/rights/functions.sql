-- A decision about an incident is never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON incident_step
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE INDEX IF NOT EXISTS erasure_to_note ON erasure (at) WHERE noted_at IS NULL;
