-- A write-off is decided once, and is else never changed.
CREATE OR REPLACE TRIGGER only_decided BEFORE UPDATE ON write_off
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON write_off
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE UNIQUE INDEX IF NOT EXISTS one_live_write_off ON write_off (why, subject) WHERE approved IS NULL;
CREATE INDEX IF NOT EXISTS write_off_by_exception ON write_off (why, subject) WHERE approved;
CREATE INDEX IF NOT EXISTS refund_decision_by_order ON refund_decision (purchase_order);

-- What was said of an exception stays said: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON exception_note
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS exception_note_by_exception ON exception_note (why, subject, id);
