"""Migration 23: letters of messages, who wants none, and addresses that receive nothing; two more kinds of recipients.

The version before writes messages without a row in `message_to_mail`: they are in the inbox and get no letter.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-26T00:00:23"
VERSION = "1.38.0"
DESCRIPTION = "mail"
SQL = """
CREATE TABLE "message_to_mail" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "message" UUID UNIQUE NOT NULL REFERENCES "message" ("id") ON DELETE RESTRICT
);
CREATE TABLE "letter" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "message" UUID NOT NULL REFERENCES "message" ("id") ON DELETE RESTRICT,
    "person" UUID,
    "created_at" TIMESTAMPTZ NOT NULL,
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "open_hand_overs" INTEGER NOT NULL DEFAULT 0,
    "next_at" TIMESTAMPTZ,
    "ended" TEXT,
    "ended_at" TIMESTAMPTZ,
    "answer" TEXT NOT NULL DEFAULT '',
    "printed_at" TIMESTAMPTZ,
    CONSTRAINT "ends_once" CHECK ((ended IS NULL) = (ended_at IS NULL) AND (ended IS NULL) = (next_at IS NOT NULL)),
    CONSTRAINT "known_ending" CHECK (ended IN ('sent', 'refused', 'bounced', 'unknown', 'expired', 'stopped', 'unreachable')),
    CONSTRAINT "counts_are_not_negative" CHECK (attempts >= 0 AND open_hand_overs >= 0)
);
CREATE TABLE "mail_stop" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "person" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "stopped_at" TIMESTAMPTZ NOT NULL,
    CONSTRAINT "stopped_once" UNIQUE ("person", "kind")
);
CREATE TABLE "dead_address" (
    "person" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "fingerprint" TEXT NOT NULL,
    "answer" TEXT NOT NULL,
    "found_at" TIMESTAMPTZ NOT NULL
);
ALTER TABLE message
    DROP CONSTRAINT known_audience,
    ADD CONSTRAINT known_audience
        CHECK (audience IN ('partner', 'person', 'line', 'role', 'mailbox', 'address')) NOT VALID;
ALTER TABLE message VALIDATE CONSTRAINT known_audience;
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Create the tables and widen the CHECK."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
