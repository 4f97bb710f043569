-- The latest exports first.
CREATE INDEX IF NOT EXISTS export_by_request ON export_file (requested_at DESC);
