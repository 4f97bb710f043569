CREATE INDEX IF NOT EXISTS letter_due ON letter (next_at) WHERE ended IS NULL;
CREATE INDEX IF NOT EXISTS letter_by_message ON letter (message);
CREATE INDEX IF NOT EXISTS letter_by_person ON letter (person);
CREATE INDEX IF NOT EXISTS letter_by_end ON letter (ended_at) WHERE ended IS NOT NULL;
