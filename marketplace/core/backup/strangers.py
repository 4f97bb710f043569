"""Whether a database has tables that Partage did not make: they stay unchanged, and ours are not made among them."""

from __future__ import annotations

from typing import Final

from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Conflict

IS_PARTAGE_SELECT: Final = """SELECT
    CASE WHEN to_regclass('public.migration') IS NULL THEN NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT EXISTS (
            SELECT FROM pg_depend WHERE objid = pg_class.oid AND classid = 'pg_class'::regclass AND deptype = 'e'
        )
    ) ELSE EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass('public.migration') AND attname = 'app_name' AND NOT attisdropped
    ) END"""
"""Tables and views of extensions do not count; our table of migrations records each application."""
NOT_OURS: Final = "This database has tables that no release of Partage made: give Partage an empty database."


async def is_ours() -> bool:
    """Return whether the schema is empty except for extensions' tables, or all its tables are from `migrate`."""
    return bool(await fetch_scalar(bool, IS_PARTAGE_SELECT))


async def refuse_strangers() -> None:
    """Refuse a database with tables that Partage did not make."""
    if not await is_ours():
        raise Conflict(NOT_OURS)
