"""Migration 34: closing accounts at Stripe, and how long messages and papers stay; the version before writes neither."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:34"
VERSION = "1.38.0"
DESCRIPTION = "retention"
SQL = """
ALTER TABLE stripe_command
    DROP CONSTRAINT known_verb,
    ADD CONSTRAINT known_verb CHECK (
        verb IN ('checkout', 'refund', 'expire_session', 'customer', 'setup', 'charge', 'capture', 'release', 'forget',
                 'account', 'transfer', 'close_account')
    ) NOT VALID;
ALTER TABLE stripe_command VALIDATE CONSTRAINT known_verb;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Widen the constraint."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
