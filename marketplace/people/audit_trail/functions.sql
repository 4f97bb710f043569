-- The audit trail: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON staff_action
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The chain over it: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trail_link
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A trigger notes each new line to be linked. Ids are assigned before transactions commit, so a job that remembered the
-- last id would miss lines that commit later.
CREATE OR REPLACE FUNCTION await_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unlinked_action (action) SELECT id FROM written;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER await_link AFTER INSERT ON staff_action
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION await_link();

CREATE INDEX IF NOT EXISTS staff_action_by_person ON staff_action (person, id);
CREATE INDEX IF NOT EXISTS staff_action_by_verb ON staff_action (verb, id);
CREATE INDEX IF NOT EXISTS staff_action_by_subject ON staff_action (subject, id);
CREATE INDEX IF NOT EXISTS staff_action_by_area ON staff_action (area, id);
