CREATE INDEX IF NOT EXISTS passkey_by_person ON passkey (person);
CREATE INDEX IF NOT EXISTS passkey_challenge_by_person ON passkey_challenge (person);
CREATE INDEX IF NOT EXISTS recovery_code_by_person ON recovery_code (person);
