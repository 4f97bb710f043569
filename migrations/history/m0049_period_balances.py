"""Migration 49: what every account adds up to by the end of a closed month is kept, so that a balance starts there."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-25T00:00:49"
VERSION = "1.38.0"
DESCRIPTION = "period balances"

SQL = """
CREATE TABLE "period_balance" (
    "id" BIGSERIAL PRIMARY KEY NOT NULL,
    "month" DATE NOT NULL REFERENCES "period" ("month") ON DELETE RESTRICT,
    "account" TEXT NOT NULL REFERENCES "account" ("code") ON DELETE RESTRICT,
    "debit_minor" BIGINT NOT NULL,
    "credit_minor" BIGINT NOT NULL
);
ALTER TABLE "period_balance" ADD CONSTRAINT one_sum_an_account UNIQUE ("month", "account");
ALTER TABLE "period_balance" ADD CONSTRAINT sums_are_not_negative CHECK (debit_minor >= 0 AND credit_minor >= 0);
INSERT INTO period_balance (month, account, debit_minor, credit_minor)
SELECT last.month, account.code,
       coalesce(sum(amount_minor) FILTER (WHERE debit = account.code), 0),
       coalesce(sum(amount_minor) FILTER (WHERE credit = account.code), 0)
FROM (SELECT month, ends_at FROM period ORDER BY month DESC LIMIT 1) AS last
CROSS JOIN account
LEFT JOIN (posting JOIN journal_entry ON journal_entry.id = posting.entry)
       ON journal_entry.at < last.ends_at AND account.code IN (debit, credit)
GROUP BY last.month, account.code;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON period_balance
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""


async def forwards() -> MigrationManager:
    """Add the table, and what the last closed month ended with."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager
