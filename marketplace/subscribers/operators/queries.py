"""What the operator's own systems see: their keys, a line, and the lines that have no letter yet."""

from __future__ import annotations

import datetime as dt
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_column, fetch_row, fetch_rows, select
from marketplace.core.errors import NotFound, existing
from marketplace.core.statements import load_statements
from marketplace.people.identity.tables import Subscriber

SQL: Final = load_statements(__package__)


class KeyRow(Struct, frozen=True):
    """A key as its list shows it: never the key itself."""

    label: str
    prefix: str
    scopes: str
    created_at: dt.datetime
    last_used_at: dt.datetime | None
    ended_at: dt.datetime | None


class LineRow(Struct, frozen=True):
    """A line as it is stored."""

    reference: int
    activation_code_hash: str | None
    claimed_at: dt.datetime | None
    gone_at: dt.datetime | None


async def list_keys() -> list[KeyRow]:
    """Return every key: those in force first, the latest first within each."""
    return await fetch_rows(KeyRow, SQL["list_keys"])


async def get_line(reference: int) -> LineRow:
    """Return a line; raises NotFound."""
    return existing(
        await fetch_row(LineRow, select(LineRow, Subscriber).where(Subscriber.reference == reference)),
        NotFound("There is no such line."),
    )


async def list_lines_without_code(after: int, most: int, *, again: bool) -> list[int]:
    """Return the next unclaimed lines in force, in order, without a code, or (`again`) with an unused one."""
    return await fetch_column(int, SQL["list_lines_without_code"], after, most, again)


async def is_any_line_in_force() -> bool:
    """Return whether the operator's table of lines has a line that has not ended."""
    return await Subscriber.exists().where(Subscriber.gone_at.is_null())
