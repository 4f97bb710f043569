"""Migration 52: credit on the phone bill, benefits and gifts, beside payouts to a bank account.

The version before pays everyone by transfer: it knows no other way, and drafts payouts for those who chose one; run no
payouts with it once somebody did.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-27T00:00:52"
VERSION = "1.38.0"
DESCRIPTION = "rewards"
SQL = """
ALTER TABLE share_run
    DROP CONSTRAINT known_kind,
    ADD CONSTRAINT known_kind
        CHECK (kind IN ('hold', 'release', 'cancel', 'payout', 'payout_back', 'reward', 'reward_back')) NOT VALID;
ALTER TABLE share_run VALIDATE CONSTRAINT known_kind;
ALTER TABLE payout_choice
    ADD COLUMN way TEXT NOT NULL DEFAULT 'bank',
    ADD COLUMN gift_to TEXT,
    ADD CONSTRAINT known_way CHECK (way IN ('bank', 'bill', 'gift', 'kept')) NOT VALID,
    ADD CONSTRAINT gift_is_to_somebody CHECK ((way = 'gift') = (gift_to IS NOT NULL)) NOT VALID;
ALTER TABLE payout_choice VALIDATE CONSTRAINT known_way, VALIDATE CONSTRAINT gift_is_to_somebody;

CREATE TABLE "association" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "name" TEXT NOT NULL,
    "pays_to" TEXT NOT NULL,
    "listed_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "name_is_given" CHECK (length(name) BETWEEN 1 AND 70)
);

CREATE TABLE "benefit" (
    "code" TEXT PRIMARY KEY NOT NULL,
    "title_fr" TEXT NOT NULL,
    "title_en" TEXT NOT NULL,
    "price_minor" BIGINT NOT NULL,
    "listed_at" TIMESTAMPTZ NOT NULL,
    "ended_at" TIMESTAMPTZ,
    CONSTRAINT "price_is_positive" CHECK (price_minor > 0)
);

CREATE TABLE "reward_run" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "way" TEXT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "people" BIGINT NOT NULL,
    "made_at" TIMESTAMPTZ NOT NULL,
    "moved_by" BIGINT NOT NULL REFERENCES "share_run" ("id") ON DELETE RESTRICT,
    CONSTRAINT "known_way" CHECK (way IN ('bill', 'gift', 'benefit')),
    CONSTRAINT "moves_something" CHECK (amount_minor > 0 AND people > 0)
);

CREATE TABLE "reward_answer" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "sha256" TEXT NOT NULL UNIQUE,
    "received_at" TIMESTAMPTZ NOT NULL,
    "done" BIGINT NOT NULL,
    "refused" BIGINT NOT NULL,
    "returned_by" BIGINT REFERENCES "share_run" ("id") ON DELETE RESTRICT
);

CREATE TABLE "reward" (
    "id" UUID PRIMARY KEY NOT NULL DEFAULT gen_random_uuid(),
    "run" UUID NOT NULL REFERENCES "reward_run" ("id") ON DELETE RESTRICT,
    "subscriber" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    "what" TEXT NOT NULL DEFAULT '',
    "state" TEXT NOT NULL DEFAULT 'open',
    "reason" TEXT NOT NULL DEFAULT '',
    "answer" UUID REFERENCES "reward_answer" ("id") ON DELETE RESTRICT,
    CONSTRAINT "once_a_run" UNIQUE ("run", "subscriber"),
    CONSTRAINT "amount_is_positive" CHECK (amount_minor > 0),
    CONSTRAINT "known_state" CHECK (state IN ('open', 'done', 'refused'))
);
"""


async def _alter() -> None:
    await execute(SQL)


async def forwards() -> MigrationManager:
    """Add the columns and the tables."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
