CREATE UNIQUE INDEX IF NOT EXISTS one_subscription_each ON subscription (partner, dataset) WHERE state <> 'ended';
CREATE INDEX IF NOT EXISTS subscription_active ON subscription (dataset) WHERE state = 'active';

-- When a release is sealed, writes to the licensees of an earlier period of its dataset, in the same transaction; not
-- to subscribers, who buy it without a message. Licensees of an earlier revision of the same period always get a
-- message.
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
