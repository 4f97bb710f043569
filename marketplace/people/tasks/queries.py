"""What waits for a role of staff, of every kind at once."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_rows
from marketplace.people.tasks.rules import Task, TaskKind, Tasks

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SHOWN: Final = 50
"""Of a kind, the oldest first."""


class TaskRow(Struct, frozen=True):
    """What the SQL of a kind selects; `asked_by` may not decide it."""

    title_fr: str
    title_en: str
    amount_minor: int | None
    since: dt.datetime
    path: str
    asked_by: uuid.UUID | None
    asked_by_name: str | None
    total: int


class Waiting(Struct, frozen=True):
    """What waits of one kind, as one person sees it; `count` includes those that are not shown."""

    kind: TaskKind
    mine: Sequence[Task]
    others: Sequence[Task]
    count: int
    """How many the person may act on."""


def selected(sql: str) -> Callable[[dt.datetime], Awaitable[Tasks]]:
    """Return the read of a kind whose rows a statement names: its columns are those of `TaskRow` but `total`, $1 is the instant."""
    whole = f"""SELECT waiting.*, count(*) OVER () AS total FROM ({sql}) AS waiting, (SELECT $1::timestamptz) AS typed
                ORDER BY since, path LIMIT {MOST_SHOWN}"""

    async def list_them(now: dt.datetime) -> Tasks:
        rows = await fetch_rows(TaskRow, whole, now)
        tasks = [
            Task(
                row.title_fr,
                row.title_en,
                row.amount_minor,
                row.since,
                row.path,
                not_by=row.asked_by,
                with_name=row.asked_by_name or "",
            )
            for row in rows
        ]
        return Tasks(tasks, rows[0].total if rows else 0)

    return list_them


async def list_waiting(kinds: Iterable[TaskKind], role: str, person: uuid.UUID | None) -> list[Waiting]:
    """Return what waits for a role, a kind an entry in the registry's order; kinds of which nothing waits are left out."""
    now = clock.now()
    waiting = []
    for kind in kinds:
        if role not in kind.roles:
            continue
        found = await kind.list(now)
        others = [task for task in found.rows if not task.is_for(person)]
        mine = [task for task in found.rows if task.is_for(person)]
        if found.rows:
            waiting.append(Waiting(kind, mine, others, found.total - len(others)))
    return waiting
