CREATE INDEX IF NOT EXISTS pause_by_subscriber ON consent_pause (subscriber, paused_at);
