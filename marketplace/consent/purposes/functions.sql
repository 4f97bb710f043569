-- UPDATE, DELETE and TRUNCATE are refused: a withdrawal is a new row, and a notice's new text is a new version.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consent_record
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON notice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A record has a known line, and a purpose under one of its notices. This is checked for a whole COPY at once, and
-- planned again for each, because a file has millions of records and a form one. Lines and notices are never deleted.
CREATE OR REPLACE FUNCTION refuse_unknown_words() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_unknown boolean;
BEGIN
    EXECUTE 'SELECT EXISTS (
        SELECT FROM fresh LEFT JOIN subscriber ON subscriber.reference = fresh.subscriber
        WHERE subscriber.reference IS NULL
    ) OR EXISTS (
        SELECT FROM (SELECT DISTINCT notice, purpose FROM fresh) AS word
        LEFT JOIN notice ON notice.id = word.notice AND notice.purpose = word.purpose
        WHERE notice.id IS NULL
    )' INTO is_unknown;
    IF is_unknown THEN
        RAISE EXCEPTION 'a word names a line, or a notice of its purpose, that does not exist' USING ERRCODE = 'foreign_key_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER known_line_and_notice AFTER INSERT ON consent_record
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_words();

-- What ends consents waits for a release that is being published, which looks for those that ended: no number of a record
-- is given out before. Records do not wait for each other.
CREATE OR REPLACE FUNCTION wait_for_publishing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('consent records', 0));
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER wait_for_publishing BEFORE INSERT ON consent_record
    FOR EACH STATEMENT EXECUTE FUNCTION wait_for_publishing();
CREATE OR REPLACE TRIGGER wait_for_publishing BEFORE INSERT ON notice
    FOR EACH STATEMENT EXECUTE FUNCTION wait_for_publishing();

CREATE INDEX IF NOT EXISTS consent_by_purpose ON consent_record (purpose, subscriber, at, id);
-- Few consents are narrowed; builds and files of consents read only those.
CREATE INDEX IF NOT EXISTS consent_narrowed ON consent_record (purpose, subscriber, at, id) WHERE covers IS NOT NULL;
CREATE INDEX IF NOT EXISTS consent_by_subscriber ON consent_record (subscriber, purpose, at, id);
