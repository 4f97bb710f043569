CREATE INDEX IF NOT EXISTS log_entry_by_subject ON log_entry (kind, subject);
CREATE INDEX IF NOT EXISTS log_entry_by_subject_alone ON log_entry (subject, number);

-- The log, its heads and its trees of days: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_head
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON day_tree
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON day_item
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
