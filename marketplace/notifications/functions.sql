-- The events of a partner after one of them, as a list is followed.
CREATE INDEX IF NOT EXISTS partner_event_by_partner ON partner_event (partner, id);

-- The deliveries that are due.
CREATE INDEX IF NOT EXISTS webhook_delivery_due ON webhook_delivery (next_at) WHERE next_at IS NOT NULL;

CREATE OR REPLACE TRIGGER end_webhooks_of_leaver AFTER UPDATE OF ended_at ON person
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION end_what_leaver_added('webhook_endpoint', 'webhook_left', 'url');
DROP FUNCTION IF EXISTS end_webhooks_of_leaver(); -- the trigger's own, before
