"""How far each of Stripe's lists is read, in Stripe's own time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.database import execute, fetch_value

if TYPE_CHECKING:
    import datetime as dt


async def read_until(name: str, overlap: dt.timedelta) -> dt.datetime | None:
    """Return where to begin reading a list again; None: at its beginning."""
    at: dt.datetime | None = await fetch_value("SELECT at FROM stripe_cursor WHERE list = $1", name)
    return at - overlap if at else None


async def has_read(name: str, newest: dt.datetime | None) -> None:
    """Remember that everything created until `newest` is here; only a list read to its end may say so."""
    if newest is not None:
        await execute(
            """INSERT INTO stripe_cursor (list, at) VALUES ($1, $2)
               ON CONFLICT (list) DO UPDATE SET at = greatest(stripe_cursor.at, excluded.at)""",
            name, newest,
        )  # fmt: skip
