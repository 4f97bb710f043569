-- A judgement is decided once, and is else never changed.
CREATE OR REPLACE TRIGGER only_decided BEFORE UPDATE ON revenue_judgement
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON revenue_judgement
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE UNIQUE INDEX IF NOT EXISTS one_live_judgement ON revenue_judgement (offer) WHERE approved IS NULL;
CREATE INDEX IF NOT EXISTS judgement_of_offer ON revenue_judgement (offer, decided_at DESC) WHERE approved;

CREATE INDEX IF NOT EXISTS entries_of_dataset ON revenue_entry (dataset, kind, at, entry);
CREATE INDEX IF NOT EXISTS entries_of_partner ON revenue_entry (partner, kind, at, entry);
CREATE INDEX IF NOT EXISTS entries_of_vat ON revenue_entry (vat, kind, at, entry);
CREATE INDEX IF NOT EXISTS entries_of_way ON revenue_entry (way, kind, at, entry);

-- Note which entries are to be summed. Ids are given before transactions commit, so a job that remembered the last id it
-- saw would miss those that commit later.
CREATE OR REPLACE FUNCTION await_sum() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO unsummed_entry (entry)
    SELECT id FROM fresh WHERE kind IN (
        'sale', 'refund', 'dispute_lost', 'sale_cancelled', 'sale_reissued',
        'shares_held', 'shares_cancelled', 'shares_lost'
    );
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER await_sum AFTER INSERT ON journal_entry
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION await_sum();
