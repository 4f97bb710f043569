"""Whether a database is another application's: its tables stay as they are, and ours are not made among them."""

from __future__ import annotations

from typing import Final

from marketplace.database import fetch_scalar
from marketplace.errors import Conflict

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
"""Tables and views that an extension brings are nobody's; our table of migrations says which application each was of."""


async def is_ours() -> bool:
    """Return whether nothing is in the schema yet, but for what extensions bring, or `migrate` has made what is there."""
    return bool(await fetch_scalar(bool, IS_PARTAGE_SELECT))


async def refuse_strangers() -> None:
    """Refuse a database with tables of another application."""
    if not await is_ours():
        raise Conflict("This database has tables of another application: give Partage a database of its own.")
