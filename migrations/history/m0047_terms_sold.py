"""Migration 47: a quote whose licence was sold before quotes kept their terms has the terms that were sold."""

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from marketplace.database import execute

ID = "2026-11-25T00:00:47"
VERSION = "1.38.0"
DESCRIPTION = "terms sold"

SQL = """
ALTER TABLE quote DISABLE TRIGGER append_only;
UPDATE quote SET terms = licence.terms
FROM purchase_order JOIN licence ON licence.purchase_order = purchase_order.id
WHERE purchase_order.quote = quote.id AND quote.terms <> licence.terms;
ALTER TABLE quote ENABLE TRIGGER append_only;
"""


async def forwards() -> MigrationManager:
    """Correct the quotes that the migration before filled from what is offered now."""
    manager = MigrationManager(migration_id=ID, app_name="partage", description=DESCRIPTION)

    async def change() -> None:
        await execute(SQL)

    manager.add_raw(change)
    return manager
