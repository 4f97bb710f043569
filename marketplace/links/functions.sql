-- The links of an entitlement, as its order's page lists them.
CREATE INDEX IF NOT EXISTS personal_link_by_entitlement ON personal_link (entitlement, created_at DESC);
