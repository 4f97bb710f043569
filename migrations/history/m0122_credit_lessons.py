"""Migration 122: which sales at posted prices were on credit, so that demand forgets what is not paid.

What the version before sells on credit while it still runs teaches demand until its whole price goes back, as before.
"""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-29T00:01:22"
VERSION = "1.38.0"
DESCRIPTION = "what sales on credit teach"
SQL = """
ALTER TABLE "posted_sale" ADD COLUMN "credit_sale" UUID REFERENCES "credit_sale" ("subject") ON DELETE RESTRICT;
"""
OF_BEFORE = """
UPDATE posted_sale
SET credit_sale = credit_sale.subject
FROM credit_sale
JOIN purchase_order ON purchase_order.id = credit_sale.subject
WHERE purchase_order.quote = posted_sale.quote;
"""


async def _alter() -> None:
    await execute(SQL)
    await execute(OF_BEFORE)


async def forwards() -> MigrationManager:
    """Add the column, and fill it in for what was sold."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)
    manager.add_raw(_alter)
    return manager
