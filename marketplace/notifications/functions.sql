-- The events of a partner after one of them, as a list is followed.
CREATE INDEX IF NOT EXISTS partner_event_by_partner ON partner_event (partner, id);

-- The deliveries that are due.
CREATE INDEX IF NOT EXISTS webhook_delivery_due ON webhook_delivery (next_at) WHERE next_at IS NOT NULL;

-- Ends the addresses of somebody who leaves a company, in the same transaction, for they may be theirs; the company is notified.
CREATE OR REPLACE FUNCTION end_webhooks_of_leaver() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    its record;
BEGIN
    FOR its IN
        UPDATE webhook_endpoint
        SET disabled_at = NEW.ended_at, disabled_because = 'removed'
        WHERE owner = NEW.id AND disabled_at IS NULL
        RETURNING id, partner, url
    LOOP
        PERFORM write_messages(
            'webhook_left', NEW.ended_at, ARRAY[its.id::text], ARRAY['partner'], ARRAY[its.partner::text],
            ARRAY[jsonb_build_object('url', its.url)::text]
        );
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER end_webhooks_of_leaver AFTER UPDATE OF ended_at ON person
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION end_webhooks_of_leaver();
