-- The deliveries that are due, and a partner's one open bucket.
CREATE INDEX IF NOT EXISTS bucket_delivery_due ON bucket_delivery (next_at) WHERE next_at IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_open_bucket_a_partner ON partner_bucket (partner) WHERE disabled_at IS NULL;

CREATE OR REPLACE TRIGGER end_bucket_of_leaver AFTER UPDATE OF ended_at ON person
    FOR EACH ROW WHEN (OLD.ended_at IS NULL AND NEW.ended_at IS NOT NULL)
    EXECUTE FUNCTION end_what_leaver_added('partner_bucket', 'bucket_left', 'bucket');
DROP FUNCTION IF EXISTS end_bucket_of_leaver(); -- the trigger's own, before

-- Forgets a bucket's credentials as it is disabled, in every case.
CREATE OR REPLACE FUNCTION forget_credentials() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.key_id := '';
    NEW.sealed := '';
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER forget_credentials BEFORE UPDATE OF disabled_at ON partner_bucket
    FOR EACH ROW WHEN (OLD.disabled_at IS NULL AND NEW.disabled_at IS NOT NULL) EXECUTE FUNCTION forget_credentials();
