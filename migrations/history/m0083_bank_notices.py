"""Migration 83: what banks announce before their statements. The version before refuses such a file, and reads nothing of it."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:83"
VERSION = "1.38.0"
DESCRIPTION = "bank notices"
SQL = """
CREATE TABLE "bank_notice" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "iban" TEXT NOT NULL REFERENCES "bank_account" ("iban") ON DELETE RESTRICT,
    "notice_id" TEXT NOT NULL,
    "entry" TEXT NOT NULL,
    "reference" TEXT NOT NULL,
    "booked_on" DATE NOT NULL,
    "value_on" DATE NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "end_to_end_id" TEXT NOT NULL,
    "counterparty" TEXT NOT NULL,
    "counterparty_iban" TEXT NOT NULL,
    "remittance" TEXT NOT NULL,
    "file_sha256" TEXT NOT NULL,
    "imported_at" TIMESTAMPTZ NOT NULL,
    "imported_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    CONSTRAINT "announced_once" UNIQUE ("iban", "reference"),
    CONSTRAINT "announces_something" CHECK (amount_minor <> 0)
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
