CREATE UNIQUE INDEX IF NOT EXISTS one_subscription_each ON subscription (partner, dataset) WHERE state <> 'ended';
CREATE INDEX IF NOT EXISTS subscription_active ON subscription (dataset) WHERE state = 'active';

-- Names the licence of a subscription that the version before begins while this one comes: its dataset's of that instant.
CREATE OR REPLACE FUNCTION name_licence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.terms := (SELECT offer.terms FROM offer WHERE offer.dataset = NEW.dataset);
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER under_a_licence BEFORE INSERT ON subscription
    FOR EACH ROW WHEN (NEW.terms IS NULL) EXECUTE FUNCTION name_licence();

-- Writes to who has a licence of an earlier period of a dataset that a release is sealed of, in the transaction that does
-- it; not to who subscribes: they buy it without a word. Who has a licence of an earlier revision of the same period reads of
-- it in every case.
CREATE OR REPLACE FUNCTION write_of_release() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM write_messages(
        'new_release',
        NEW.sealed_at,
        array_agg(NEW.id::text),
        array_agg('partner'::text),
        array_agg(licensed.partner::text),
        array_agg(jsonb_build_object('dataset', NEW.dataset)::text)
    )
    FROM (
        SELECT DISTINCT entitlement.partner
        FROM release AS older
        JOIN entitlement ON entitlement.release = older.id
        WHERE older.dataset = NEW.dataset
          AND older.period_to < NEW.period_to
          AND entitlement.ends_at > NEW.sealed_at
          AND entitlement.revoked_at IS NULL
          AND NOT EXISTS (
              SELECT
              FROM subscription
              WHERE dataset = NEW.dataset AND partner = entitlement.partner AND state = 'active'
          )
    ) AS licensed;
    PERFORM write_messages(
        'release_revised',
        NEW.sealed_at,
        array_agg(NEW.id::text),
        array_agg('partner'::text),
        array_agg(licensed.partner::text),
        array_agg(jsonb_build_object('dataset', NEW.dataset, 'revision', NEW.revision::text)::text)
    )
    FROM (
        SELECT DISTINCT entitlement.partner
        FROM release AS older
        JOIN entitlement ON entitlement.release = older.id
        WHERE older.dataset = NEW.dataset
          AND older.period_from = NEW.period_from
          AND older.period_to = NEW.period_to
          AND older.revision < NEW.revision
          AND entitlement.ends_at > NEW.sealed_at
          AND entitlement.revoked_at IS NULL
    ) AS licensed;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER write_to_licensees AFTER INSERT OR UPDATE OF state ON release
    FOR EACH ROW WHEN (NEW.state = 'sealed') EXECUTE FUNCTION write_of_release();
