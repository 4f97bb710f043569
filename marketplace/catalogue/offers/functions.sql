-- Prices and their inputs are never edited: UPDATE, DELETE and TRUNCATE are refused.
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON quote
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON demand_draw
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE INDEX IF NOT EXISTS observed_bid_by_offer ON observed_bid (offer, observed_at);
CREATE INDEX IF NOT EXISTS exclusive_window_by_offer ON exclusive_window (offer, starts_at);
CREATE INDEX IF NOT EXISTS quote_by_partner ON quote (partner, quoted_at DESC);
CREATE INDEX IF NOT EXISTS quote_of_release ON quote (partner, release);
CREATE INDEX IF NOT EXISTS quote_by_offer ON quote (offer, quoted_at);
CREATE INDEX IF NOT EXISTS quote_by_end ON quote (expires_at);
CREATE INDEX IF NOT EXISTS held_quote ON quote (offer, expires_at) WHERE expires_at - quoted_at > interval '1 day';

CREATE OR REPLACE TRIGGER note_change AFTER INSERT OR UPDATE ON offer
    FOR EACH ROW EXECUTE FUNCTION note_dataset_change();
