"""Which migrations this version brings that a database has not had."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.backup.strangers import is_ours
from marketplace.database import fetch_rows, fetch_scalar
from migrations.piccolo_app import HISTORY

if TYPE_CHECKING:
    from pathlib import Path

ID: Final = re.compile(r'^ID\b[^"]*"([^"]+)"', re.MULTILINE)


class Applied(Struct, frozen=True):
    """A migration that the database has had, by its id."""

    name: str


async def list_pending(history: Path = HISTORY) -> list[str]:
    """Return the files of migrations in `history` that `migrate` would run, oldest first; the pool must be open.

    A migration that the database has had and this version does not know is no matter: a newer version is being rolled out.
    """
    applied = set[str]()
    if await is_ours() and await fetch_scalar(bool, "SELECT to_regclass('public.migration') IS NOT NULL"):
        applied = {row.name for row in await fetch_rows(Applied, "SELECT name FROM migration")}
    return [stem for stem, ids in _ids_of(history).items() if not applied & ids]


def _ids_of(history: Path) -> dict[str, set[str]]:
    """Return the ids in each file of migrations, oldest first."""
    return {path.stem: set(ID.findall(path.read_text())) for path in sorted(history.glob("m*.py"))}
