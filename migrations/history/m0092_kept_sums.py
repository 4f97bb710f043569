"""Migration 92: what pages of payout runs show is kept with them, and what ended a pause.

The version before ignores all of it, and its drafts have no chart of amounts; sums are kept by triggers, whoever writes.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute_long

ID = "2026-11-27T00:00:92"
VERSION = "1.38.0"
DESCRIPTION = "kept sums of payout runs"
SQL = """
ALTER TABLE "payout_run" ADD COLUMN "spread" BIGINT[], ADD COLUMN "shared" BIGINT;
ALTER TABLE "consent_pause" ADD COLUMN "resumed_by" UUID UNIQUE;

CREATE TABLE "payout_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "run" UUID NOT NULL REFERENCES "payout_run" ("id") ON DELETE RESTRICT,
    "what" TEXT NOT NULL,
    "people" BIGINT NOT NULL,
    "amount_minor" BIGINT NOT NULL,
    CONSTRAINT "one_sum_of_each" UNIQUE ("run", "what")
);
"""
SUMS = """
LOCK TABLE payout, payee_check IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO payout_sum (run, what, people, amount_minor)
SELECT run, state, count(*), sum(amount_minor) FROM payout WHERE state <> 'open' GROUP BY run, state
UNION ALL
SELECT run, concat_ws('/', outcome, decision), count(*), sum(amount_minor)
FROM payee_check JOIN payout ON payout.id = payee_check.payout GROUP BY 1, 2;
"""
SPREAD = """
UPDATE payout_run SET spread = counted.spread
FROM (
    SELECT run, array_agg(people ORDER BY step) AS spread
    FROM (
        SELECT payout_run.id AS run, step, count(payout.id) AS people
        FROM payout_run
        CROSS JOIN unnest(ARRAY[1, 2, 3, 5, 10, 20, 50], ARRAY[2, 3, 5, 10, 20, 50, NULL]) AS cut (step, until)
        LEFT JOIN payout ON payout.run = payout_run.id AND payout.amount_minor >= step * threshold_minor
            AND (until IS NULL OR payout.amount_minor < until * threshold_minor)
        GROUP BY payout_run.id, step
    ) AS of_step
    GROUP BY run
) AS counted
WHERE counted.run = payout_run.id;
"""


async def _alter() -> None:
    for sql in (SQL, SUMS, SPREAD):
        await execute_long(sql)


async def forwards() -> MigrationManager:
    """Add the columns and the table, and fill in what is there already."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
