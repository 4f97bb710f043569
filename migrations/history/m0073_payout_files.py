"""Migration 73: the files that a payout run is cut into, which of them an answer is about, and runs that a job sends.

The version before writes one file a run and knows no other; its runs have no row of their own here, and are read as one
file. It refuses to hand out the file of a run that was cut, which differs from the digest it looks at.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:73"
VERSION = "1.38.0"
DESCRIPTION = "payout files"
SQL = """
ALTER TABLE "payout_run"
    ADD COLUMN "send_asked_by" UUID REFERENCES "person" ("id") ON DELETE RESTRICT,
    ADD COLUMN "send_asked_at" TIMESTAMPTZ,
    ADD COLUMN "send_problem" TEXT;
ALTER TABLE "payout_answer" ADD COLUMN "file" INTEGER NOT NULL DEFAULT 1;

CREATE TABLE "payout_file" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "number" INTEGER NOT NULL,
    "first_batch" INTEGER NOT NULL,
    "last_batch" INTEGER NOT NULL,
    "sequence" INTEGER NOT NULL DEFAULT 0,
    "people" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "execute_on" DATE NOT NULL,
    "file_sha256" TEXT,
    CONSTRAINT "one_place_a_file" UNIQUE ("run", "number"),
    CONSTRAINT "batches_in_order" CHECK (
        number > 0 AND 0 < first_batch AND first_batch <= last_batch AND sequence >= 0
    ),
    CONSTRAINT "nobody_is_no_file" CHECK (
        (people = 0) = (file_sha256 IS NULL) AND (people = 0) = (amount_minor = 0) AND people >= 0
    )
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the table."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
