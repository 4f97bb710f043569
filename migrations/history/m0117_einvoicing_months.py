"""Migration 117: each month's VAT as the books and the tax authority have it, for the page of large books.

The version before adds up all documents each time.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:17"
VERSION = "1.38.0"
DESCRIPTION = "months of e-invoicing"
SQL = """
CREATE TABLE "einvoicing_month" (
    "month" DATE PRIMARY KEY NOT NULL,
    "booked_minor" BIGINT NOT NULL,
    "statuses_minor" BIGINT NOT NULL,
    "reports_minor" BIGINT NOT NULL,
    "waiting_minor" BIGINT NOT NULL,
    "summed_at" TIMESTAMP WITH TIME ZONE NOT NULL
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
