"""Migration 129: the licence that each subscription was locked for, which its releases are sold under.

Of subscriptions from before it is the offer's of the day they began, where they say it, else that of their first order, else
their dataset's own of now. The version before names none: a trigger of the functions names the offer's of that instant.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute, execute_long

ID = "2026-11-30T00:01:29"
VERSION = "1.38.0"
DESCRIPTION = "licences of subscriptions"
COLUMN = """
ALTER TABLE "subscription" ADD COLUMN "terms" TEXT REFERENCES "licence_terms" ("code") ON DELETE RESTRICT;
"""
FILL = """
UPDATE "subscription"
SET "terms" = coalesce(
    (
        SELECT licence_terms.code
        FROM jsonb_to_recordset(subscription.agreed_offers::jsonb) AS agreed ("dataset" TEXT, "terms" TEXT)
        JOIN licence_terms ON licence_terms.code = agreed.terms
        WHERE agreed.dataset = subscription.dataset
        LIMIT 1
    ),
    (
        SELECT quote.terms
        FROM subscribed_release
        JOIN purchase_order ON purchase_order.id = subscribed_release.purchase_order
        JOIN quote ON quote.id = purchase_order.quote
        WHERE subscribed_release.subscription = subscription.id
        ORDER BY purchase_order.ordered_at, purchase_order.id
        LIMIT 1
    ),
    (SELECT offer.terms FROM offer WHERE offer.dataset = subscription.dataset)
)
WHERE "terms" IS NULL;
"""
CHECKED = """
ALTER TABLE "subscription" ADD CONSTRAINT "has_a_licence" CHECK (terms IS NOT NULL) NOT VALID;
ALTER TABLE "subscription" VALIDATE CONSTRAINT "has_a_licence";
"""


async def _alter() -> None:
    await execute(COLUMN)
    await execute_long(FILL)
    await execute(CHECKED)


async def forwards() -> MigrationManager:
    """Add the column, fill it, and let no row be without."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
