-- The events of a partner after one of them, for a list that is followed.
CREATE INDEX IF NOT EXISTS partner_event_by_partner ON partner_event (partner, id);

-- The deliveries that are due.
CREATE INDEX IF NOT EXISTS webhook_delivery_due ON webhook_delivery (next_at) WHERE next_at IS NOT NULL;

-- Ends the addresses that a person added who leaves a company, in the same transaction, since they may be that person's
-- own; the company is notified.
CREATE OR REPLACE FUNCTION end_webhooks_of_leaver() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended record;
BEGIN
    FOR ended IN
        UPDATE webhook_endpoint
        SET disabled_at = NEW.ended_at, disabled_because = 'removed'
        WHERE owner = NEW.id AND disabled_at IS NULL
        RETURNING id, partner, url
    LOOP
        PERFORM write_messages(
            'webhook_left',
            NEW.ended_at,
            ARRAY[ended.id::text],
            ARRAY['partner'],
            ARRAY[ended.partner::text],
            ARRAY[jsonb_build_object('url', ended.url)::text]
        );
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER end_webhooks_of_leaver AFTER UPDATE OF ended_at ON person
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION end_webhooks_of_leaver();

-- The deliveries that are due, and a partner's one open bucket.
CREATE INDEX IF NOT EXISTS bucket_delivery_due ON bucket_delivery (next_at) WHERE next_at IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_open_bucket_a_partner ON partner_bucket (partner) WHERE disabled_at IS NULL;

-- Ends the bucket that a person added who leaves a company, in the same transaction, since it may be that person's own;
-- the company is notified.
CREATE OR REPLACE FUNCTION end_bucket_of_leaver() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ended record;
BEGIN
    FOR ended IN
        UPDATE partner_bucket
        SET disabled_at = NEW.ended_at, disabled_because = 'removed'
        WHERE owner = NEW.id AND disabled_at IS NULL
        RETURNING id, partner, bucket
    LOOP
        PERFORM write_messages(
            'bucket_left',
            NEW.ended_at,
            ARRAY[ended.id::text],
            ARRAY['partner'],
            ARRAY[ended.partner::text],
            ARRAY[jsonb_build_object('bucket', ended.bucket)::text]
        );
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER end_bucket_of_leaver AFTER UPDATE OF ended_at ON person
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION end_bucket_of_leaver();

-- Deletes a bucket's credentials whenever it is disabled.
CREATE OR REPLACE FUNCTION forget_credentials() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.key_id := '';
    NEW.sealed := '';
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER forget_credentials BEFORE UPDATE OF disabled_at ON partner_bucket
    FOR EACH ROW WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION forget_credentials();
