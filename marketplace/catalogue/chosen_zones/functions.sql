-- A company's own zones, by name; and its questions before paying, to count them.
CREATE INDEX IF NOT EXISTS kept_zones_by_partner ON kept_zones (partner, name);
CREATE INDEX IF NOT EXISTS zone_preview_by_partner ON zone_preview (partner, asked_at);
CREATE INDEX IF NOT EXISTS zone_preview_by_release ON zone_preview (partner, release);
