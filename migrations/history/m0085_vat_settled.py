"""Migration 85: a bank line of the tax office is matched as VAT. The version before matches it as a fee, and reads both."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-28T00:00:85"
VERSION = "1.38.0"
DESCRIPTION = "VAT settled"
SQL = """
ALTER TABLE "bank_match"
    DROP CONSTRAINT "known_target",
    ADD CONSTRAINT "known_target" CHECK (
        target_kind IN ('payout', 'order', 'payout_line', 'fee', 'vat', 'write_off')
    ) NOT VALID;
ALTER TABLE "bank_match" VALIDATE CONSTRAINT "known_target";
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Widen the CHECK."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
