"""Histories of migrations that tests write, on top of the schema's own: one file for each text of SQL."""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

MIGRATION = '''
from piccolo.apps.migrations.auto.migration_manager import MigrationManager
from marketplace.core.database import execute

ID = "2999-01-01T00:00:{number}"
SQL = """{sql}"""

async def act():
    await execute(SQL)

async def forwards():
    manager = MigrationManager(migration_id=ID, app_name="partage", description="")
    manager.add_raw(act)
    return manager
'''
GROWING = {
    "m0002_notes": """
        ALTER TABLE purchase_order ADD COLUMN note TEXT NOT NULL DEFAULT '';
        CREATE TABLE order_note (purchase_order UUID PRIMARY KEY REFERENCES purchase_order (id), note TEXT)""",
    "m0003_noting": """
        ALTER TABLE licence ADD CONSTRAINT sold_for_something CHECK (net_minor > 0) NOT VALID;
        CREATE FUNCTION note_order() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO order_note (purchase_order) VALUES (NEW.id);
            RETURN NULL;
        END $$;
        CREATE TRIGGER note AFTER INSERT ON purchase_order FOR EACH ROW EXECUTE FUNCTION note_order()""",
    "m0004_lists": """
        ALTER TABLE licence VALIDATE CONSTRAINT sold_for_something;
        CREATE INDEX order_by_note ON purchase_order (note)""",
}
"""What later versions may do to tables that selling writes: a column, a table, a check, a function with a trigger, an index."""


@contextlib.contextmanager
def history_of(history: Path, migrations: Mapping[str, str]) -> Iterator[Path]:
    """Write each migration, by its name and SQL, into a folder; at the end, forget what was imported from there."""
    history.mkdir(exist_ok=True)
    for name, sql in migrations.items():
        (history / f"{name}.py").write_text(MIGRATION.format(number=name[3:5], sql=sql))
    paths = list(sys.path)
    try:
        yield history
    finally:
        sys.path[:] = paths  # Piccolo adds the folder
        for name in migrations:
            sys.modules.pop(name, None)
