-- A rule is decided once, then ended once, and is else never changed.
CREATE OR REPLACE TRIGGER only_decided BEFORE UPDATE ON bank_rule
    FOR EACH ROW WHEN (OLD.decided_at IS NULL) EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE OR REPLACE TRIGGER only_ended BEFORE UPDATE ON bank_rule
    FOR EACH ROW WHEN (OLD.decided_at IS NOT NULL) EXECUTE FUNCTION refuse_rewriting('ended_at,ended_by');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON bank_rule
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
