-- What the platform said, and what a report had, is never changed: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON life_cycle_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON reported_document
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON e_report
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON settled_part
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- A PDF is compressed already: PostgreSQL stores it as it is.
ALTER TABLE einvoicing_flow ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE INDEX IF NOT EXISTS transmission_open ON transmission (created_at) WHERE state IN ('waiting', 'queued', 'rejected', 'refused');
CREATE INDEX IF NOT EXISTS life_cycle_event_by_transmission ON life_cycle_event (transmission, at);
CREATE INDEX IF NOT EXISTS einvoicing_flow_due ON einvoicing_flow (next_at) WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS transmission_by_state ON transmission (state, created_at DESC, id);
