-- The deliveries that are due, and a partner's one open bucket.
CREATE INDEX IF NOT EXISTS bucket_delivery_due ON bucket_delivery (next_at) WHERE next_at IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_open_bucket_a_partner ON partner_bucket (partner) WHERE disabled_at IS NULL;

-- Ends the bucket of somebody who leaves a company, in the same transaction, for it may be theirs; the company is notified.
CREATE OR REPLACE FUNCTION end_bucket_of_leaver() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    its record;
BEGIN
    FOR its IN
        UPDATE partner_bucket
        SET disabled_at = NEW.ended_at, disabled_because = 'removed', key_id = '', sealed = ''
        WHERE owner = NEW.id AND disabled_at IS NULL
        RETURNING id, partner, bucket
    LOOP
        PERFORM write_messages(
            'bucket_left', NEW.ended_at, ARRAY[its.id::text], ARRAY['partner'], ARRAY[its.partner::text],
            ARRAY[jsonb_build_object('bucket', its.bucket)::text]
        );
    END LOOP;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER end_bucket_of_leaver AFTER UPDATE OF ended_at ON person
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL) EXECUTE FUNCTION end_bucket_of_leaver();
