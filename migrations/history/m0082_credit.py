"""Migration 82: sales on credit, what moves them, and what two people decide of them. The version before sells none."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:82"
VERSION = "1.38.0"
DESCRIPTION = "credit"
SQL = """
CREATE TABLE "credit_sale" (
    "subject" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "number" TEXT NOT NULL UNIQUE,
    "total_minor" BIGINT NOT NULL,
    "returned_minor" BIGINT NOT NULL DEFAULT 0,
    "paid_minor" BIGINT NOT NULL DEFAULT 0,
    "written_off_minor" BIGINT NOT NULL DEFAULT 0,
    "provision_minor" BIGINT NOT NULL DEFAULT 0,
    "granted_at" TIMESTAMPTZ NOT NULL,
    "due_at" TIMESTAMPTZ NOT NULL,
    "reminders" INTEGER NOT NULL DEFAULT 0,
    "suspended_at" TIMESTAMPTZ,
    "settled_at" TIMESTAMPTZ,
    CONSTRAINT "amounts_are_parts" CHECK (total_minor > 0 AND returned_minor BETWEEN 0 AND total_minor AND paid_minor BETWEEN 0 AND total_minor),
    CONSTRAINT "written_down_is_owed" CHECK (written_off_minor >= 0 AND provision_minor >= 0 AND written_off_minor + provision_minor <= greatest(total_minor - returned_minor - paid_minor, 0)),
    CONSTRAINT "due_later" CHECK (granted_at < due_at),
    CONSTRAINT "settled_owes_nothing" CHECK ((settled_at IS NULL) = (total_minor - returned_minor - paid_minor > 0)),
    CONSTRAINT "suspended_owes" CHECK (suspended_at IS NULL OR settled_at IS NULL)
);

CREATE TABLE "credit_movement" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "sale" UUID NOT NULL REFERENCES "credit_sale" ("subject") ON DELETE RESTRICT,
    "kind" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "known_movement" CHECK (kind IN ('payment', 'return', 'provision', 'provision_released', 'loss', 'loss_undone')),
    CONSTRAINT "moves_something" CHECK (amount_minor > 0 OR kind = 'payment' AND amount_minor <> 0)
);

CREATE TABLE "credit_proposal" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "kind" TEXT NOT NULL,
    "partner" UUID NOT NULL REFERENCES "partner" ("id") ON DELETE RESTRICT,
    "sale" UUID REFERENCES "credit_sale" ("subject") ON DELETE RESTRICT,
    "amount_minor" BIGINT NOT NULL,
    "reason" TEXT NOT NULL,
    "proposed_by" UUID NOT NULL REFERENCES "person" ("id") ON DELETE RESTRICT,
    "proposed_at" TIMESTAMPTZ NOT NULL,
    "decided_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    "decided_at" TIMESTAMPTZ,
    "approved" BOOLEAN,
    CONSTRAINT "known_proposal" CHECK (kind IN ('limit', 'provision', 'loss') AND (kind = 'limit') = (sale IS NULL)),
    CONSTRAINT "amount_is_possible" CHECK (amount_minor > 0 OR kind = 'limit' AND amount_minor = 0),
    CONSTRAINT "reason_is_given" CHECK (length(btrim(reason)) BETWEEN 3 AND 2000),
    CONSTRAINT "four_eyes" CHECK (decided_by <> proposed_by),
    CONSTRAINT "decided_whole" CHECK (num_nonnulls(decided_by, decided_at, approved) IN (0, 3))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
