"""Which migrations this version brings that a database has not had."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from marketplace.database import fetch_rows
from migrations.piccolo_app import HISTORY

ID: Final = re.compile(r'^ID\b[^"]*"([^"]+)"', re.MULTILINE)


class Applied(Struct, frozen=True):
    """A migration that the database has had, by its id."""

    name: str


async def list_pending() -> list[str]:
    """Return the files of migrations that `migrate` would run, oldest first; the pool must be open.

    A migration that the database has had and this version does not know is no matter: a newer version is being rolled out.
    """
    if not await fetch_rows(Applied, "SELECT tablename::text AS name FROM pg_tables WHERE tablename = 'migration'"):
        return [path.stem for path in sorted(HISTORY.glob("m*.py"))]
    applied = {row.name for row in await fetch_rows(Applied, "SELECT name FROM migration")}
    return [path.stem for path in sorted(HISTORY.glob("m*.py")) if not applied & set(ID.findall(path.read_text()))]
