CREATE UNIQUE INDEX IF NOT EXISTS one_open_request ON data_request (digest) WHERE state = 'open';
CREATE INDEX IF NOT EXISTS data_request_by_age ON data_request (asked_at DESC);
CREATE INDEX IF NOT EXISTS data_request_by_partner ON data_request_partner (partner, asked_at DESC);
