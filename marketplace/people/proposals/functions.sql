-- A proposal is decided once, and is else never changed.
CREATE OR REPLACE TRIGGER only_decided BEFORE UPDATE ON proposal
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON proposal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE UNIQUE INDEX IF NOT EXISTS one_waiting_proposal ON proposal (kind, subject) WHERE approved IS NULL;
CREATE INDEX IF NOT EXISTS proposal_by_subject ON proposal (kind, subject, decided_at DESC);
CREATE INDEX IF NOT EXISTS proposal_by_day ON proposal (proposed_at DESC);
