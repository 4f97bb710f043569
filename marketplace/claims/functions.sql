CREATE UNIQUE INDEX IF NOT EXISTS one_open_claim ON claim (purchase_order) WHERE outcome = '';
CREATE INDEX IF NOT EXISTS claim_by_order ON claim (purchase_order, filed_at DESC);
