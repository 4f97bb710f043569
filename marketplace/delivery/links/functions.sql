-- The links of an entitlement, for its order's page.
CREATE INDEX IF NOT EXISTS personal_link_by_entitlement ON personal_link (entitlement, created_at DESC);
