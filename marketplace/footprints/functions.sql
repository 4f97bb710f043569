-- What has a release has a footprint, to be measured by who asks next.
CREATE OR REPLACE FUNCTION add_footprint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO footprint (dataset) VALUES (NEW.dataset) ON CONFLICT (dataset) DO NOTHING;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER add_footprint AFTER INSERT OR UPDATE OF state ON release
    FOR EACH ROW WHEN (NEW.state = 'sealed') EXECUTE FUNCTION add_footprint();

CREATE INDEX IF NOT EXISTS footprint_unmeasured ON footprint (dataset) WHERE measured_at IS NULL;
CREATE INDEX IF NOT EXISTS footprint_by_ground ON footprint USING gist (box(point(east, north), point(west, south)));
