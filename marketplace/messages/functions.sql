-- A message that was written stays as it was: UPDATE and TRUNCATE are refused, and the role that serves deletes none.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON message
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Deletes these messages, as far as they are of before an instant, with who read them; returns how many. The schema's owner
-- does it, for the serving role deletes no message.
CREATE OR REPLACE FUNCTION delete_old_messages(ids uuid[], before timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    old uuid[];
    deleted bigint;
BEGIN
    SELECT array_agg(id) INTO old FROM message WHERE id = ANY (ids) AND created_at < before;
    DELETE FROM message_to_mail WHERE message = ANY (old);
    DELETE FROM message_read WHERE message = ANY (old);
    DELETE FROM message WHERE id = ANY (old);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$;

CREATE INDEX IF NOT EXISTS message_by_age ON message (created_at);

-- The inbox of one recipient, the latest first.
CREATE INDEX IF NOT EXISTS message_by_recipient ON message (audience, recipient, created_at DESC, id);
