CREATE INDEX IF NOT EXISTS reset_link_by_person ON reset_link (person);
CREATE INDEX IF NOT EXISTS reset_link_by_date ON reset_link (created_at);
CREATE INDEX IF NOT EXISTS person_by_unconfirmed_address ON person (created_at) WHERE email_confirmed_at IS NULL;
CREATE INDEX IF NOT EXISTS address_change_by_person ON address_change (person);

-- Remembers who was sent a link that confirms their address, in the transaction of the letter.
CREATE OR REPLACE FUNCTION remember_confirmation_letter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO confirmation_letter (person, at) VALUES (NEW.recipient::uuid, NEW.created_at) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER remember_confirmation_letter AFTER INSERT ON message
    FOR EACH ROW WHEN (NEW.kind = 'confirm_address') EXECUTE FUNCTION remember_confirmation_letter();
