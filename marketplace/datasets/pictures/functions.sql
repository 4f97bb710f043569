-- A dataset with its first release gets a footprint, measured by the next query. So does one whose releases were all
-- called back and that has a new one; it is then drawn after the datasets that were sealed since.
CREATE OR REPLACE FUNCTION add_footprint() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO footprint (dataset) VALUES (NEW.dataset) ON CONFLICT (dataset) DO UPDATE
    SET west = NULL, south = NULL, east = NULL, north = NULL, measured_at = NULL
    WHERE NOT EXISTS (
        SELECT FROM release
        LEFT JOIN revocation ON revocation.release = release.id
        WHERE release.dataset = NEW.dataset
          AND release.state = 'sealed'
          AND release.id <> NEW.id
          AND revocation.release IS NULL
    );
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER add_footprint AFTER INSERT OR UPDATE OF state ON release
    FOR EACH ROW WHEN (NEW.state = 'sealed') EXECUTE FUNCTION add_footprint();

CREATE INDEX IF NOT EXISTS footprint_unmeasured ON footprint (dataset) WHERE measured_at IS NULL;
CREATE INDEX IF NOT EXISTS footprint_by_ground ON footprint USING gist (box(point(east, north), point(west, south)));

CREATE INDEX IF NOT EXISTS former_map_by_dataset ON former_map (dataset);

-- A picture is never older than a recall: a process that stores one has this lock, and checks again what it depends on.
CREATE OR REPLACE FUNCTION delete_pictures() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('pictures', 0));
    DELETE FROM picture WHERE NEW.release = ANY (depends_on);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER delete_pictures AFTER INSERT ON revocation
    FOR EACH ROW EXECUTE FUNCTION delete_pictures();

-- Maps that strangers saw stay known: they may see few of one ground, and the same one again while its release is
-- valid.
CREATE OR REPLACE FUNCTION remember_map() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO former_map (version, dataset, release, own_zones, drawn, drawn_at)
    VALUES (OLD.version, OLD.dataset, OLD.release, OLD.own_zones, OLD.drawn, OLD.drawn_at);
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER remember_map AFTER DELETE ON picture
    FOR EACH ROW WHEN (OLD.own_zones <> '{}') EXECUTE FUNCTION remember_map();
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON former_map
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
