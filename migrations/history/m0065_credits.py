"""Migration 65: what a subscription promises, credits of what fell short, and trials.

The version before promises nothing: what it subscribes has no credits. It begins no trial.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:65"
VERSION = "1.38.0"
DESCRIPTION = "credits"
SQL = """
ALTER TABLE "subscription"
    ADD COLUMN "promised_days" INTEGER,
    ADD COLUMN "promised_coverage_micro" BIGINT,
    ADD CONSTRAINT "promises_both" CHECK (num_nonnulls(promised_days, promised_coverage_micro) IN (0, 2)) NOT VALID;
ALTER TABLE "subscription" VALIDATE CONSTRAINT "promises_both";

CREATE TABLE "service_credit" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "purchase_order" UUID NOT NULL UNIQUE REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "subscription" UUID NOT NULL REFERENCES "subscription" ("id") ON DELETE RESTRICT,
    "days_late" INTEGER NOT NULL,
    "coverage_micro" BIGINT NOT NULL,
    "promised_coverage_micro" BIGINT NOT NULL,
    "basis_points" INTEGER NOT NULL,
    "refund_minor" BIGINT NOT NULL,
    "asked_at" TIMESTAMPTZ,
    CONSTRAINT "falls_short" CHECK (days_late > 0 OR coverage_micro < promised_coverage_micro),
    CONSTRAINT "is_half_at_most" CHECK (basis_points BETWEEN 1 AND 5000 AND refund_minor > 0)
);

CREATE TABLE "trial" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL UNIQUE REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "release" UUID NOT NULL REFERENCES "release" ("id") ON DELETE RESTRICT,
    "began_at" TIMESTAMPTZ NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "lasts_two_weeks" CHECK (ends_at = began_at + interval '14 days')
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
