"""Whether the serving role can change the schema, so that postings are no longer safe from mistakes."""

from __future__ import annotations

from typing import Final

from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Conflict

OWNS: Final = """SELECT coalesce((SELECT pg_has_role(current_user, relowner, 'USAGE') FROM pg_class
                                  WHERE oid = to_regclass('posting')), false)"""
"""A superuser has every role, so it counts as the owner."""
OWNER: Final = "This role owns the schema: it could change what was posted, and drop what keeps it from being changed."
MEND: Final = "connect as the role that serves, in DATABASE_URL; `migrate` grants it what it needs"


async def is_owner() -> bool:
    """Return whether this process is connected as the owner of the schema, or as a superuser."""
    return bool(await fetch_scalar(bool, OWNS))


async def refuse_owner() -> None:
    """Refuse to serve as the owner of the schema."""
    if await is_owner():
        raise Conflict(
            "{owner} Let DATABASE_URL of `serve` and `jobs` name the role that serves, PARTAGE_SERVING_ROLE of `migrate`.",
            owner=OWNER,
        )
