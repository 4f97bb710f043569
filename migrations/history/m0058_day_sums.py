"""Migration 58: what each account moves a day, kept, so that a trial balance reads days in place of postings.

The sums of what is there are made while nobody posts: about a second a million postings.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute, execute_long

ID = "2026-11-27T00:00:58"
VERSION = "1.38.0"
DESCRIPTION = "sums of days"
SQL = """
CREATE TABLE "day_sum" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "day" DATE NOT NULL,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "debit_minor" BIGINT NOT NULL,
    "credit_minor" BIGINT NOT NULL,
    CONSTRAINT "sums_are_not_negative" CHECK (debit_minor >= 0 AND credit_minor >= 0)
);
"""
FILL = """
LOCK TABLE posting IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO day_sum (day, account, debit_minor, credit_minor)
SELECT day, side.account, sum(side.debit_minor), sum(side.credit_minor)
FROM (
    SELECT (at AT TIME ZONE 'Europe/Paris')::date AS day, debit, credit, sum(amount_minor) AS amount_minor
    FROM posting JOIN journal_entry ON journal_entry.id = posting.entry
    GROUP BY 1, 2, 3
) AS moved
CROSS JOIN LATERAL (VALUES (debit, amount_minor, 0), (credit, 0, amount_minor)) AS side (account, debit_minor, credit_minor)
GROUP BY day, side.account;
"""
"""The lock lasts until the trigger is there, which the same run creates: no posting slips in between."""


async def _alter() -> None:
    await execute(SQL)
    await execute_long(FILL)


async def forwards() -> MigrationManager:
    """Add the table, and what is in the books to it."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
