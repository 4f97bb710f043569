CREATE INDEX IF NOT EXISTS question_by_date ON question (asked_at);
CREATE INDEX IF NOT EXISTS question_open ON question (asked_at) WHERE answered_at IS NULL;
