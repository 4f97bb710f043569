"""A kind of waiting work: how it is called, whose it is, and what there is of it now."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from marketplace.core.words import Words

WITHOUT_AMOUNT_MINOR: Final = 100
"""What work without an amount weighs a day, in cents."""

STEWARD: Final = frozenset({"steward"})
FINANCE: Final = frozenset({"finance"})


class Task(Struct, frozen=True):
    """Something that waits, with its page."""

    title_fr: str
    title_en: str
    amount_minor: int | None
    """In cents."""
    since: dt.datetime
    path: str
    not_by: uuid.UUID | None = None
    """Who asked for it, and may not decide it."""
    only_by: uuid.UUID | None = None
    """Who sees to it, and nobody else."""
    with_name: str = ""
    """The name of either."""
    sentence: str = ""
    """In the page's language, where it says more than its kind's words."""

    def is_for(self, person: uuid.UUID | None) -> bool:
        """Return whether the person may act on it now."""
        return self.only_by in (None, person) and (self.not_by is None or self.not_by != person)

    def weight(self, now: dt.datetime) -> int:
        """Return days × cents: what waiting work is ordered by."""
        days = max((now - self.since) / dt.timedelta(days=1), 0)
        return round(days * abs(WITHOUT_AMOUNT_MINOR if self.amount_minor is None else self.amount_minor))


class Tasks(Struct, frozen=True):
    """What waits of one kind: the first rows, and how many there are in all."""

    rows: Sequence[Task]
    total: int


class TaskKind(Struct, frozen=True):
    """A kind of waiting work; `list` reads what waits at an instant, and each row leads to a page."""

    code: str
    words: Words
    roles: frozenset[str]
    """The roles of staff that see to it."""
    list: Callable[[dt.datetime], Awaitable[Tasks]]


Row = tuple[TaskKind, Task]


def by_weight(rows: Iterable[Row], now: dt.datetime) -> list[Row]:
    """Return waiting work of several kinds by age × amount, the heaviest first."""
    return sorted(rows, key=lambda row: (-row[1].weight(now), row[1].since, row[1].title_en))


def by_code(*kinds: TaskKind) -> dict[str, TaskKind]:
    """Return kinds of waiting work by their codes; two of one code are a mistake of ours."""
    found = {kind.code: kind for kind in kinds}
    assert len(found) == len(kinds), "two kinds of waiting work have one code"
    return found
