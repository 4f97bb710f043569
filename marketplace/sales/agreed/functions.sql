CREATE INDEX IF NOT EXISTS private_offer_by_partner ON private_offer (partner, ends_at DESC);
