-- UPDATE, DELETE and TRUNCATE are refused: a withdrawal is a new row, and a notice's new text a new version.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS consent_by_purpose ON consent_record (purpose, subscriber, at, id);
-- Few consents are narrowed: builds and files of consents look for those alone.
CREATE INDEX IF NOT EXISTS consent_narrowed ON consent_record (purpose, subscriber, at, id) WHERE covers IS NOT NULL;
CREATE INDEX IF NOT EXISTS consent_by_subscriber ON consent_record (subscriber, purpose, at, id);
