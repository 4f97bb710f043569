"""Migration 81: which passes into a sandbox were used. The version before lets a pass in as often as it is shown."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:81"
VERSION = "1.38.0"
DESCRIPTION = "used passes"
SQL = """
CREATE TABLE "used_pass" (
    "pass_sha256" TEXT PRIMARY KEY NOT NULL,
    "browser_sha256" TEXT NOT NULL,
    "ends_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "digests" CHECK (length(pass_sha256) = 64 AND length(browser_sha256) = 64)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
