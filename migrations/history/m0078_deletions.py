"""Migration 78: what partners confirmed after a recall. The version before asks nobody."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:78"
VERSION = "1.38.0"
DESCRIPTION = "deletions"
SQL = """
CREATE TABLE "deletion_confirmation" (
    "purchase_order" UUID PRIMARY KEY NOT NULL REFERENCES "purchase_order" ("id") ON DELETE RESTRICT,
    "confirmed_at" TIMESTAMPTZ NOT NULL,
    "confirmed_by" UUID REFERENCES "person" ("id") ON DELETE SET NULL
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
