CREATE INDEX IF NOT EXISTS reset_link_by_person ON reset_link (person);
CREATE INDEX IF NOT EXISTS reset_link_by_date ON reset_link (created_at);
CREATE INDEX IF NOT EXISTS person_by_unconfirmed_address ON person (created_at) WHERE email_confirmed_at IS NULL;
CREATE INDEX IF NOT EXISTS address_change_by_person ON address_change (person);
