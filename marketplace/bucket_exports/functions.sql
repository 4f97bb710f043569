-- The deliveries that are due, and a partner's one open bucket.
CREATE INDEX IF NOT EXISTS bucket_delivery_due ON bucket_delivery (next_at) WHERE next_at IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_open_bucket_a_partner ON partner_bucket (partner) WHERE disabled_at IS NULL;
