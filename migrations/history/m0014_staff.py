"""Migration 14: people can be removed and staff invited; the version before lets a removed person sign in until it has stopped."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:14"
VERSION = "1.38.0"
DESCRIPTION = "staff"
SQL = """
ALTER TABLE person ADD COLUMN ended_at TIMESTAMPTZ;
ALTER TABLE invitation
    ALTER COLUMN partner DROP NOT NULL,
    ADD COLUMN staff_role TEXT,
    ADD COLUMN invited_by UUID REFERENCES person (id) ON DELETE CASCADE,
    ADD CONSTRAINT one_capacity CHECK (num_nonnulls(partner, staff_role) = 1) NOT VALID,
    ADD CONSTRAINT known_role CHECK (staff_role IN ('steward', 'finance', 'auditor')) NOT VALID;
ALTER TABLE invitation VALIDATE CONSTRAINT one_capacity, VALIDATE CONSTRAINT known_role;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
