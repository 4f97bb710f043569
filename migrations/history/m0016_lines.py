"""Migration 16: when a line ended, what the operator's tables of lines changed, and where a word on consent was given.

Of a word from before, nobody knows where it was given: the column is null, and its receipt says what it said.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:16"
VERSION = "1.38.0"
DESCRIPTION = "lines"
SQL = """
ALTER TABLE subscriber ADD COLUMN gone_at TIMESTAMPTZ;
CREATE TABLE "line_table" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "sha256" TEXT NOT NULL,
    "at" TIMESTAMPTZ NOT NULL,
    "lines" BIGINT NOT NULL,
    "new_lines" BIGINT NOT NULL,
    "returned_lines" BIGINT NOT NULL,
    "changed_lines" BIGINT NOT NULL,
    "gone_lines" BIGINT NOT NULL
);
ALTER TABLE consent_record ADD COLUMN channel TEXT;
ALTER TABLE consent_record ADD CONSTRAINT known_channel
    CHECK (channel IN ('partage', 'app', 'site', 'shop', 'call_centre', 'letter', 'contract')) NOT VALID;
ALTER TABLE consent_record VALIDATE CONSTRAINT known_channel;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
