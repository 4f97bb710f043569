"""Migration 1: every table of the first release, by the SQL file beside this one."""

from __future__ import annotations

from pathlib import Path

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.core.database import execute

ID = "2026-12-01T00:00:01"
VERSION = "1.38.0"
DESCRIPTION = "initial schema"
SQL = Path(__file__).with_suffix(".sql").read_text()


async def _create() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_create)
    return manager
