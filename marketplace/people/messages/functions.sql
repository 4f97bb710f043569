-- A message never changes: UPDATE and TRUNCATE are refused, and the serving role deletes none.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON message
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Writes a message of a kind at an instant for each fact: its id, audience, recipient and details, an array each. A
-- message that exists is left as it is and gets no further letters. Triggers of higher packages call this if a fact of
-- a lower package concerns people that only they know.
-- Packages above may call it.
CREATE OR REPLACE FUNCTION write_messages(
    its_kind text, at timestamptz, sources text[], audiences text[], recipients text[], filled text[]
) RETURNS void LANGUAGE sql AS $$
    WITH written AS (
        INSERT INTO message (id, kind, source_id, audience, recipient, details, created_at)
        SELECT gen_random_uuid(), its_kind, source_id, audience, recipient, details::jsonb, at
        FROM unnest(sources, audiences, recipients, filled) AS given (source_id, audience, recipient, details)
        ON CONFLICT (kind, source_id, audience, recipient) DO NOTHING
        RETURNING id
    )
    INSERT INTO message_to_mail (message)
    SELECT id
    FROM written;
$$;

-- Deletes those of these messages that are older than an instant, with their readers; returns how many. It runs as the
-- schema's owner, since the serving role may delete no message.
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
