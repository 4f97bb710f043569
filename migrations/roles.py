"""Two roles: one owns the schema and migrates it; one serves, and can change neither the schema nor posted entries.

The serving role reads all tables and writes those of its work. Where a trigger refuses changes of rows, the role lacks
the privilege too; and it cannot drop, disable or replace a trigger, because it owns nothing. It cannot TRUNCATE, and
makes no table except a month's close, by functions of the owner that do nothing else.
"""

from __future__ import annotations

import json
from typing import Final

from marketplace.core.database import execute, fetch_scalar
from marketplace.core.errors import Invalid

LOCKED: Final = ("bank_line", "quote")
"""Append-only tables whose rows are locked: PostgreSQL requires the privilege to update a column for a row lock, so
the key may be updated; the trigger still refuses it.
"""
WRITTEN: Final = {**dict.fromkeys(LOCKED, "id"), "zone_table": "title_fr, title_en"}
"""Append-only tables → columns that PostgreSQL's privileges allow to be written.

The names of zones are not among them.
"""
_GRANTS: Final = """
DO $do$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT
            format('%%I', relname) AS name,
            relname AS plain,
            EXISTS (
                SELECT FROM pg_trigger WHERE tgrelid = pg_class.oid AND tgname = 'append_only' AND tgenabled = 'O'
            ) AS is_append_only
        FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    LOOP
        EXECUTE format('REVOKE ALL ON %s FROM {role}', one.name);
        EXECUTE format('GRANT SELECT ON %s TO {role}', one.name);
        IF one.plain = 'migration' THEN
            CONTINUE;
        END IF;
        EXECUTE format('GRANT INSERT ON %s TO {role}', one.name);
        IF NOT one.is_append_only THEN
            EXECUTE format('GRANT UPDATE, DELETE ON %s TO {role}', one.name);
        ELSIF '{written}'::jsonb ? one.plain THEN
            EXECUTE format('GRANT UPDATE (%s) ON %s TO {role}', '{written}'::jsonb ->> one.plain, one.name);
        END IF;
    END LOOP;
    GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role};
END $do$;
"""


async def grant_to(role: str) -> None:
    """Grant the serving role what it needs of today's tables, and nothing else; inside the open transaction.

    Refuses a role that does not exist, and one that could still do more: the owner, or a superuser.
    """
    quoted = await fetch_scalar(str, "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1", role)
    if quoted is None:
        raise Invalid("PARTAGE_SERVING_ROLE names no role of this database: {role}.", role=role)
    if await fetch_scalar(bool, "SELECT rolsuper OR rolname = current_user FROM pg_roles WHERE rolname = $1", role):
        raise Invalid("PARTAGE_SERVING_ROLE must be a role that neither owns the schema nor is a superuser.")
    await execute(_GRANTS.replace("%%", "%").format(role=quoted, written=json.dumps(WRITTEN)))
