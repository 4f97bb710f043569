"""Link the trail: a job hashes its lines one after the other, so that their writers never wait for each other."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import copy_in, fetch_row, fetch_rows, select, transaction
from marketplace.core.locks import lock
from marketplace.core.signing import public_key, sign
from marketplace.core.statements import load_statements
from marketplace.people.audit_trail.rules import FIRST, canonical, hash_of
from marketplace.people.audit_trail.tables import TrailLink, UnlinkedAction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SQL: Final = load_statements(__package__)
BATCH_SIZE: Final = 2000
"""Lines that are linked in one transaction, or read at a time."""


class Head(Struct, frozen=True):
    """The last link."""

    number: int
    hash: str


class Line(Struct, frozen=True):
    """A line of the trail as it is hashed; `before` and `after` are JSON objects."""

    id: int
    at: dt.datetime
    person: uuid.UUID | None
    verb: str
    subject: str
    reason: str
    before: str
    after: str
    area: str


class LinkedLine(Line, frozen=True):
    """A line with its link."""

    number: int
    hash: str


def written(line: Line, number: int, previous: str) -> dict[str, Any]:
    """Return a line as its file has it, with its hash; instants are UTC, to the microsecond."""
    document: dict[str, Any] = {
        "number": number,
        "id": line.id,
        "at": line.at.astimezone(dt.UTC).isoformat(timespec="microseconds"),
        "person": str(line.person) if line.person else None,
        "area": line.area,
        "verb": line.verb,
        "subject": line.subject,
        "reason": line.reason,
        "before": json.loads(line.before),
        "after": json.loads(line.after),
        "previous": previous,
    }
    return document | {"hash": hash_of(document)}


async def link_actions() -> int:
    """Link the lines of the trail that are not in the chain yet, in the order of their ids; a job. Return how many."""
    linked = 0
    while count := await _link_some():
        linked += count
    return linked


async def _link_some() -> int:
    async with transaction():
        await lock("trail chain")
        head = await _find_head()
        lines = await fetch_rows(Line, SQL["list_unlinked"], BATCH_SIZE)
        number, previous, links = head.number, head.hash, []
        for line in lines:
            number += 1
            previous = written(line, number, previous)["hash"]
            links.append((number, line.id, previous))
        await copy_in("trail_link", ["number", "action", "hash"], links)
        await UnlinkedAction.delete().where(UnlinkedAction.action.is_in([line.id for line in lines] or [0]))
    return len(links)


async def _find_head() -> Head:
    query = select(Head, TrailLink).order_by(TrailLink.number, ascending=False).limit(1)
    return await fetch_row(Head, query) or Head(0, FIRST)


async def export_trail(signing_key: str) -> AsyncIterator[str]:
    """Yield the chained trail, a line of JSON at a time, and the signed end that `rules.check` asks for.

    Lines that are not linked yet are linked first. Each line is hashed as it is read and yielded with the stored hash,
    so the check names the first line where the two differ.
    """
    await link_actions()
    head = await _find_head()
    number, previous = 0, FIRST
    while number < head.number:
        rows = await fetch_rows(LinkedLine, SQL["list_linked"], number, min(number + BATCH_SIZE, head.number))
        if not rows:
            break
        for row in rows:
            yield json.dumps(written(row, row.number, previous) | {"hash": row.hash}, ensure_ascii=False)
            number, previous = row.number, row.hash
    end = {"lines": head.number, "head": head.hash, "at": clock.now().isoformat(), "key": public_key(signing_key).hex()}
    yield json.dumps(end | {"signature": sign(canonical(end), signing_key).hex()})
