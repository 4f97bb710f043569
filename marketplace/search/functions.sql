CREATE SEQUENCE IF NOT EXISTS search_version;

CREATE INDEX IF NOT EXISTS search_card_by_version ON search_card (version);
CREATE INDEX IF NOT EXISTS search_card_by_age ON search_card (looked_at) WHERE is_listed;
CREATE INDEX IF NOT EXISTS saved_search_by_person ON saved_search (person);
