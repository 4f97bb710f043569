CREATE SEQUENCE IF NOT EXISTS search_version;

CREATE INDEX IF NOT EXISTS search_card_by_version ON search_card (version);
CREATE INDEX IF NOT EXISTS search_card_by_age ON search_card (looked_at) WHERE is_listed;
CREATE INDEX IF NOT EXISTS search_card_by_words ON search_card USING gin (words) WHERE is_listed;
CREATE INDEX IF NOT EXISTS search_card_by_facets
    ON search_card (area, indicator, zones, grain, cadence, price, coverage, latest, price_minor) WHERE is_listed;
CREATE INDEX IF NOT EXISTS search_card_fresh ON search_card (period_to DESC, md5(dataset)) WHERE is_listed;
CREATE INDEX IF NOT EXISTS search_card_cheap ON search_card (price_minor, md5(dataset)) WHERE is_listed;
CREATE INDEX IF NOT EXISTS search_card_dear ON search_card (price_minor DESC NULLS LAST, md5(dataset)) WHERE is_listed;
CREATE INDEX IF NOT EXISTS search_card_covered ON search_card (coverage_basis_points DESC, md5(dataset)) WHERE is_listed;
CREATE INDEX IF NOT EXISTS search_trigram_by_trigram ON search_trigram (trigram, word);
CREATE INDEX IF NOT EXISTS saved_search_by_person ON saved_search (person);

-- The stems of a word without accents by both languages' dictionaries; fewer if it is a stop word in one of them.
CREATE OR REPLACE FUNCTION stems_of(word text) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_remove(ARRAY[(ts_lexize('french_stem', word))[1], (ts_lexize('english_stem', word))[1]], NULL)
$$;

-- All trigrams of a word with blanks before and after it.
CREATE OR REPLACE FUNCTION trigrams_of(word text) RETURNS SETOF text LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT substr('  ' || word || ' ', at, 3) FROM generate_series(1, length(word) + 1) AS at
$$;
