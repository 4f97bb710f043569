"""Migration 17: mechanisms, units, years of loss, coverage, dossiers, editions and revocations of releases."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-24T00:00:17"
VERSION = "1.38.0"
DESCRIPTION = "privacy"

SQL = """
ALTER TABLE dataset
    ADD COLUMN unit TEXT NOT NULL DEFAULT 'release',
    ADD COLUMN mechanism TEXT NOT NULL DEFAULT 'laplace',
    ADD COLUMN delta_exponent INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN max_zones INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN parent_resolution INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN edition_multiples INTEGER[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT known_unit CHECK (unit IN ('release', 'day')),
    ADD CONSTRAINT known_mechanism CHECK (mechanism IN ('laplace', 'gaussian')),
    ADD CONSTRAINT delta_is_the_gaussians CHECK ((mechanism = 'gaussian' AND delta_exponent BETWEEN 5 AND 15) OR (mechanism = 'laplace' AND delta_exponent = 0)),
    ADD CONSTRAINT totals_count_some_zones CHECK (max_zones BETWEEN 0 AND 100),
    ADD CONSTRAINT parents_are_coarser CHECK (parent_resolution BETWEEN 0 AND h3_resolution - 1 OR parent_resolution = 0),
    ADD CONSTRAINT editions_are_coarser CHECK (1 < ALL (edition_multiples));
ALTER TABLE release
    ADD COLUMN revision INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN note_fr TEXT NOT NULL DEFAULT '',
    ADD COLUMN note_en TEXT NOT NULL DEFAULT '',
    ADD COLUMN schema_version INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN sealed_by TEXT NOT NULL DEFAULT '',
    ADD COLUMN delta_exponent INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN rho_nano BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN sampler TEXT NOT NULL DEFAULT '',
    ADD COLUMN mean_error_micro BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN error_people BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN error_events BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN total_error_micro BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN r_indicator_micro BIGINT,
    DROP CONSTRAINT known_state,
    ADD CONSTRAINT known_state CHECK (state IN ('spent', 'noised', 'assessed', 'sealed', 'refused', 'blocked'));
CREATE TABLE privacy_year (
    year INTEGER PRIMARY KEY NOT NULL,
    rho_nano BIGINT NOT NULL DEFAULT 0,
    gaussian_rho_nano BIGINT NOT NULL DEFAULT 0,
    pure_micro BIGINT NOT NULL DEFAULT 0,
    spent_micro BIGINT NOT NULL DEFAULT 0,
    budget_micro BIGINT NOT NULL,
    CONSTRAINT never_overspends CHECK (spent_micro BETWEEN 0 AND budget_micro)
);
CREATE TABLE privacy_spend (
    id UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    release UUID NOT NULL REFERENCES release (id) ON DELETE RESTRICT,
    year INTEGER NOT NULL REFERENCES privacy_year (year) ON DELETE RESTRICT,
    units INTEGER NOT NULL,
    rho_nano BIGINT NOT NULL,
    epsilon_micro BIGINT NOT NULL,
    is_pure BOOLEAN NOT NULL,
    CONSTRAINT once_a_year UNIQUE (release, year),
    CONSTRAINT costs_something CHECK (units > 0 AND rho_nano > 0 AND epsilon_micro > 0)
);
CREATE TABLE coverage (
    id UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    release UUID NOT NULL REFERENCES release (id) ON DELETE RESTRICT,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    population BIGINT NOT NULL,
    consenting BIGINT NOT NULL,
    CONSTRAINT told_once UNIQUE (release, kind, name),
    CONSTRAINT known_kind CHECK (kind IN ('area', 'band')),
    CONSTRAINT consents_of_the_population CHECK (consenting BETWEEN 0 AND population)
);
CREATE TABLE dossier (
    release UUID PRIMARY KEY NOT NULL REFERENCES release (id) ON DELETE RESTRICT,
    document BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    passed BOOLEAN NOT NULL,
    reasons TEXT[] NOT NULL DEFAULT '{}',
    assessed_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT fails_for_a_reason CHECK (passed = (cardinality(reasons) = 0))
);
CREATE TABLE edition (
    id UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    release UUID NOT NULL REFERENCES release (id) ON DELETE RESTRICT,
    level INTEGER NOT NULL,
    variance_multiple INTEGER NOT NULL,
    noise_variance_micro BIGINT NOT NULL,
    threshold INTEGER NOT NULL,
    row_count BIGINT NOT NULL,
    error_people BIGINT NOT NULL,
    cells_sha256 TEXT NOT NULL,
    CONSTRAINT one_a_level UNIQUE (release, level),
    CONSTRAINT is_coarser CHECK (level > 0 AND variance_multiple > 1 AND noise_variance_micro > 0)
);
CREATE TABLE revocation (
    release UUID PRIMARY KEY NOT NULL REFERENCES release (id) ON DELETE RESTRICT,
    reason_fr TEXT NOT NULL,
    reason_en TEXT NOT NULL,
    revoked_by TEXT NOT NULL,
    revoked_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT says_why CHECK (reason_fr <> '' AND reason_en <> '')
);

-- Releases made before this were of pure epsilon, which is at most epsilon² / 2 of concentrated loss.
ALTER TABLE release DISABLE TRIGGER sealed_for_ever;
UPDATE release SET rho_nano = (epsilon_micro * epsilon_micro + 1999) / 2000, sampler = CASE WHEN key_count > 0 THEN 'opendp' ELSE '' END;
ALTER TABLE release ENABLE TRIGGER sealed_for_ever;
INSERT INTO privacy_year (year, rho_nano, pure_micro, spent_micro, budget_micro)
    SELECT year, sum(rho_nano), sum(epsilon_micro), sum(epsilon_micro), greatest(sum(epsilon_micro), 100000000)
    FROM release CROSS JOIN LATERAL generate_series(
        extract(year FROM period_from AT TIME ZONE 'UTC')::int,
        extract(year FROM (period_to - interval '1 microsecond') AT TIME ZONE 'UTC')::int) AS year
    GROUP BY year;
INSERT INTO privacy_spend (release, year, units, rho_nano, epsilon_micro, is_pure)
    SELECT id, year, 1, rho_nano, epsilon_micro, true
    FROM release CROSS JOIN LATERAL generate_series(
        extract(year FROM period_from AT TIME ZONE 'UTC')::int,
        extract(year FROM (period_to - interval '1 microsecond') AT TIME ZONE 'UTC')::int) AS year;

DROP TRIGGER sealed_for_ever ON release;
CREATE TRIGGER sealed_for_ever BEFORE UPDATE OR DELETE ON release FOR EACH ROW
    WHEN (OLD.state IN ('sealed', 'refused', 'blocked')) EXECUTE FUNCTION refuse_change();
"""
APPEND_ONLY = ("privacy_spend", "coverage", "dossier", "edition", "revocation")


async def forwards() -> MigrationManager:
    """Change the tables and guard the new ones."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)
        for table in APPEND_ONLY:
            await execute(
                f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
                "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )

    manager.add_raw(change)
    return manager
