"""Migration 56: what consents and payouts name is checked a statement at a time, by triggers, instead of row by row.

A foreign key looks its row up once for each one added, which was half the time of a million words and of a hundred
thousand payouts. The triggers, which `migrate` applies in the same run, also hold a notice to its purpose and bank details
to their line. The version before adds rows as it did.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:56"
VERSION = "1.38.0"
DESCRIPTION = "whole checks"
SQL = """
ALTER TABLE consent_record
    DROP CONSTRAINT consent_record_subscriber_fkey,
    DROP CONSTRAINT consent_record_purpose_fkey,
    DROP CONSTRAINT consent_record_notice_fkey;
ALTER TABLE payout
    DROP CONSTRAINT payout_run_fkey,
    DROP CONSTRAINT payout_subscriber_fkey,
    DROP CONSTRAINT payout_details_fkey;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Drop the keys."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
