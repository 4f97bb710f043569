-- A company's own zones, by name.
CREATE INDEX IF NOT EXISTS kept_zones_by_partner ON kept_zones (partner, name);
