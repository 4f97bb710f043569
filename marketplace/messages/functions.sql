-- A message that was written stays as it was: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON message
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The inbox of one recipient, the latest first.
CREATE INDEX IF NOT EXISTS message_by_recipient ON message (audience, recipient, created_at DESC, id);
