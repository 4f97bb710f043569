-- The credentials of a partner, for its page.
CREATE INDEX IF NOT EXISTS sharing_credential_by_partner ON sharing_credential (partner, created_at DESC);
