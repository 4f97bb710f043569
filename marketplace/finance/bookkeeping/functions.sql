-- Text without what separates fields, begins comments or ends lines in one of the formats of export.
CREATE OR REPLACE FUNCTION export_text(given text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT btrim(regexp_replace(given, '[\x01-\x20\x7f|;\"\\]+', ' ', 'g'))
$$;

-- The day of an instant in Paris, written in the shape of to_char.
CREATE OR REPLACE FUNCTION export_day(at timestamptz, shape text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT to_char(at AT TIME ZONE 'Europe/Paris', shape)
$$;

-- Cents as euros with a decimal mark, a minus sign first where they are negative.
CREATE OR REPLACE FUNCTION export_euros(minor bigint, mark text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN minor < 0 THEN '-' ELSE '' END || (abs(minor) / 100)::text || mark || lpad((abs(minor) % 100)::text, 2, '0')
$$;

-- The latest exports first.
CREATE INDEX IF NOT EXISTS export_by_request ON export_file (requested_at DESC);

CREATE INDEX IF NOT EXISTS entries_of_dataset ON revenue_entry (dataset, kind, at, entry);
CREATE INDEX IF NOT EXISTS entries_of_partner ON revenue_entry (partner, kind, at, entry);
CREATE INDEX IF NOT EXISTS entries_of_vat ON revenue_entry (vat, kind, at, entry);
CREATE INDEX IF NOT EXISTS entries_of_way ON revenue_entry (way, kind, at, entry);
