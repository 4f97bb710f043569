-- The callbacks that are due, and how many a partner waits for.
CREATE INDEX IF NOT EXISTS density_callback_due ON density_callback (next_at);
CREATE INDEX IF NOT EXISTS density_callback_by_partner ON density_callback (partner);
