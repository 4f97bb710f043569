"""The migrations of this version that a database has not had, and the refusal of a database with another beginning."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core.backup.strangers import NOT_OURS, is_ours, refuse_strangers
from marketplace.core.database import fetch_rows, fetch_scalar
from marketplace.core.errors import Conflict
from migrations.schema import HISTORY

if TYPE_CHECKING:
    from pathlib import Path

ID: Final = re.compile(r'^ID\b[^"]*"([^"]+)"', re.MULTILINE)


class Applied(Struct, frozen=True):
    """A migration that the database has had, by its id."""

    name: str


async def list_pending(history: Path = HISTORY) -> list[str]:
    """Return the files of migrations in `history` that `migrate` would run, oldest first; the pool must be open.

    A migration that the database has had and this version does not know is ignored: a newer version is being rolled
    out.
    """
    applied = await _list_applied() if await is_ours() else None
    return [stem for stem, ids in _ids_of(history).items() if not ids & (applied or set())]


async def refuse_unknown_past() -> None:
    """Refuse a database that has tables and whose first migration was not the initial one of this history."""
    await refuse_strangers()
    applied = await _list_applied()
    if applied is not None and not applied & next(iter(_ids_of(HISTORY).values())):
        raise Conflict(NOT_OURS)


async def _list_applied() -> set[str] | None:
    """Return the ids of the migrations that the database has had; None if it has no table of them."""
    if not await fetch_scalar(bool, "SELECT to_regclass('public.migration') IS NOT NULL"):
        return None
    return {row.name for row in await fetch_rows(Applied, "SELECT name FROM migration")}


def _ids_of(history: Path) -> dict[str, set[str]]:
    """Return the ids in each file of migrations, oldest first."""
    return {path.stem: set(ID.findall(path.read_text())) for path in sorted(history.glob("m*.py"))}
