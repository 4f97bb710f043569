-- A retraction is never changed once its events are removed, and never deleted.
CREATE OR REPLACE TRIGGER done_for_ever BEFORE UPDATE OR DELETE ON retraction FOR EACH ROW
    WHEN (OLD.done_at IS NOT NULL) EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS retraction_to_do ON retraction (id) WHERE done_at IS NULL;
CREATE INDEX IF NOT EXISTS retraction_by_line ON retraction (subscriber, ends_at);
