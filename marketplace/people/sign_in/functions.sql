CREATE INDEX IF NOT EXISTS passkey_by_person ON passkey (person);
CREATE INDEX IF NOT EXISTS passkey_challenge_by_person ON passkey_challenge (person);
CREATE INDEX IF NOT EXISTS recovery_code_by_person ON recovery_code (person);

CREATE INDEX IF NOT EXISTS reset_link_by_person ON reset_link (person);
CREATE INDEX IF NOT EXISTS reset_link_by_date ON reset_link (created_at);
CREATE INDEX IF NOT EXISTS address_change_by_person ON address_change (person);
