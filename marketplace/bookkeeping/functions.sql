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

-- A year is closed once, and its close is decided once and else never changed.
CREATE UNIQUE INDEX IF NOT EXISTS one_close_a_year ON year_close (year) WHERE approved IS NOT FALSE;
CREATE OR REPLACE TRIGGER only_decided BEFORE UPDATE ON year_close
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON year_close
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A month's close waits for a second person once, is decided once and else never changed.
CREATE UNIQUE INDEX IF NOT EXISTS one_close_a_month ON month_close (month) WHERE approved IS NOT FALSE;
CREATE OR REPLACE TRIGGER only_decided BEFORE UPDATE ON month_close
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting('decided_at,decided_by,approved');
CREATE OR REPLACE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON month_close
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
