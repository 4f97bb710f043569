"""Migration 57: one payment a month to each association, and who listed it.

The version before shows gifts by run, pays none by file, and lists associations without saying who did.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:57"
VERSION = "1.38.0"
DESCRIPTION = "gift payments"
SQL = """
ALTER TABLE association ADD COLUMN listed_by UUID;

CREATE TABLE "gift_payment" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "month" DATE NOT NULL,
    "association" TEXT NOT NULL REFERENCES "association" ("code") ON DELETE RESTRICT,
    "name" TEXT NOT NULL,
    "iban" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "made_by" UUID NOT NULL,
    CONSTRAINT "one_a_month" UNIQUE (month, association),
    CONSTRAINT "pays_something" CHECK (amount_minor > 0 AND people > 0)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the column and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
