"""Write the log: give facts their places, days their roots, and the store its missing files and a signed head.

Each step can be repeated: a fact leaves the queue in the transaction that gives it its place, a file always has the
same bytes, and the head comes last. So a job that dies anywhere loses, doubles and reorders nothing.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import secrets
from typing import TYPE_CHECKING, Final

import structlog
from msgspec import Struct

from marketplace.core import clock, object_store
from marketplace.core.database import copy_in, fetch_rows, fetch_scalar, transaction
from marketplace.core.errors import Conflict
from marketplace.core.facts.actions import note_logged
from marketplace.core.locks import exclusive
from marketplace.core.settings import settings
from marketplace.oversight.public_log import rules
from marketplace.oversight.public_log.after_restore import catch_up, note_last, refuse_unless_last
from marketplace.oversight.public_log.day_kinds import DAY_KINDS
from marketplace.oversight.public_log.files import reader
from marketplace.oversight.public_log.queries import (
    SQL,
    count_entries,
    current_origin,
    find_entry,
    find_head,
    find_last_of,
    list_entries,
)
from marketplace.oversight.public_log.tables import DayTree, LogEntry, LogHead
from marketplace.oversight.public_log.witnessing import collect_cosignatures
from pricing.log.days import crown_of, item_leaf, place_of, root_of, salt_of
from pricing.log.notes import Checkpoint, read_checkpoint
from pricing.log.tiles import Tiles, grown

if TYPE_CHECKING:
    from collections.abc import Mapping

log = structlog.get_logger(__name__)
BATCH_SIZE: Final = 2000
"""How many facts get their places in one transaction."""
ITEMS_AT_ONCE: Final = 10_000
MOST_ITEMS: Final = 1_000_000
"""Items of one day's tree; further ones go into the next day's."""


class WaitingFact(Struct, frozen=True):
    """A fact without a place in the log; `statement` is JSON."""

    id: int
    kind: str
    subject: str
    statement: str
    at: dt.datetime
    is_known: bool
    """Whether the log already has an entry of this kind about this subject, as after a restore."""


async def keep_log() -> int:
    """Log new facts and finished days, publish them, and have witnesses cosign them. A job; return how many."""
    async with exclusive("public log"):
        origin = await current_origin()
        published = await read_published(origin)
        await catch_up(origin, published)
        await refuse_unless_last(origin, published)
        logged = await _log_facts()
        published = await _publish(origin, published)  # facts do not wait for the days' items
        if days := await _log_days():
            logged += days
            published = await _publish(origin, published)
        if published is not None:
            note_last(origin, is_ours=await _have_cosigned(origin, published))
        return logged


async def read_published(origin: str) -> Checkpoint | None:
    """Return the head that the object store serves; None if nothing was published."""
    data = await asyncio.to_thread(object_store.read_now, rules.object_key(origin, rules.CHECKPOINT))
    return None if data is None else read_checkpoint(data.decode())


# ------------------------------------------------------------------ facts
async def _log_facts() -> int:
    logged = 0
    while count := await _log_some():
        logged += count
    return logged


async def _log_some() -> int:
    """Give the first facts of the queue their places; one that is in the log, as after a restore, gets none."""
    async with transaction():
        facts = await fetch_rows(WaitingFact, SQL["list_unlogged"], BATCH_SIZE)
        number = await count_entries()
        rows: list[tuple[int, str, str, bytes, int]] = []
        for fact in facts:
            content = rules.fact_entry(fact.kind, fact.subject, fact.statement, fact.at)
            known = await find_entry(fact.kind, fact.subject) if fact.is_known else None
            if known is None or not rules.says_the_same(known.content, content):
                rows.append((number + len(rows), fact.kind, fact.subject, content, fact.id))
        await copy_in("log_entry", ["number", "kind", "subject", "content", "fact"], rows)
        await note_logged([fact.id for fact in facts])
    return len(facts)


# ------------------------------------------------------------------ days
async def _log_days() -> int:
    """Give every finished day its root of each kind, in order; a log begins with the day before its first run."""
    over = (clock.now() - rules.SETTLED).astimezone(dt.UTC).date() - rules.DAY
    logged = 0
    for kind in DAY_KINDS:
        last = await find_last_of(kind)
        day = dt.date.fromisoformat(last.subject) + rules.DAY if last else over
        while day <= over:
            await _log_day(kind, day)
            logged, day = logged + 1, day + rules.DAY
    return logged


async def _log_day(kind: str, day: dt.date) -> None:
    until = dt.datetime.combine(day + rules.DAY, dt.time(), dt.UTC)
    key = secrets.token_bytes(32)
    async with transaction():
        last = await find_last_of(kind)
        previous = "" if last is None else str(rules.read(last.content)["root"])
        placed = await _place_new(kind, until)
        items = sorted((place, item_leaf(salt_of(key, source), digest)) for place, (source, digest) in placed.items())
        crown = await asyncio.to_thread(crown_of, key, items)
        tree = await _insert_tree(kind, day, key, crown)
        rows = [(tree, kind, source, place, digest) for place, (source, digest) in placed.items()]
        await copy_in("day_item", ["tree", "kind", "source", "place", "digest"], rows)
        content = rules.day_entry(kind, day.isoformat(), root_of(crown), previous)
        await LogEntry.insert(
            LogEntry(number=await count_entries(), kind=kind, subject=day.isoformat(), content=content)
        )


async def _place_new(kind: str, until: dt.datetime) -> dict[int, tuple[str, bytes]]:
    """Return the new items of a kind: places → names and digests. An item whose place is occupied waits for a day."""
    placed: dict[int, tuple[str, bytes]] = {}
    after = 0
    while len(placed) < MOST_ITEMS:
        new = await DAY_KINDS[kind](until, ITEMS_AT_ONCE, after)
        for one in new:
            digest = hashlib.sha256(one.document.encode()).digest()
            placed.setdefault(place_of(kind, one.source), (one.source, digest))
        if len(new) < ITEMS_AT_ONCE:
            break
        after = new[-1].id
    return placed


async def _insert_tree(kind: str, day: dt.date, key: bytes, crown: bytes) -> int:
    made = DayTree.insert(DayTree(kind=kind, day=day, key=key, crown=crown)).returning(DayTree.id)
    tree = await fetch_scalar(int, made)
    assert tree is not None, "a day has one tree"
    return tree


# ------------------------------------------------------------------ publishing
async def _publish(origin: str, published: Checkpoint | None) -> Checkpoint | None:
    """Write the files that the store lacks and the head of all entries; return the head that is then served."""
    size, since = await count_entries(), published.size if published else 0
    if size == since:
        return published
    entries = [entry.content for entry in await list_entries(since, size)]
    files = await asyncio.to_thread(_grown, origin, since, entries)
    root = await asyncio.to_thread(_root, origin, size, files)
    note = await _sign(origin, size, root)
    for path, content in files.items():
        await object_store.put(rules.object_key(origin, path), content)
    await object_store.put(rules.object_key(origin, rules.CHECKPOINT), note.encode())
    return read_checkpoint(note)


async def _sign(origin: str, size: int, root: bytes) -> str:
    """Return the signed head, stored before it is published: no later head contradicts a signed one."""
    if (known := await find_head(size, origin)) is not None:
        if known.root != root.hex():
            raise Conflict("The log signed another head of {size} entries before.", size=size)
        return known.note
    note = rules.signed_head(origin, size, root, settings().log_key)
    await LogHead.insert(
        LogHead(
            origin=origin,
            size=size,
            root=root.hex(),
            note=note,
            key=str(rules.key_of(origin, settings().log_key)),
            signed_at=clock.now(),
        )
    )
    return note


def _grown(origin: str, since: int, entries: list[bytes]) -> Mapping[str, bytes]:
    return grown(reader(origin), since, entries)


def _root(origin: str, size: int, files: Mapping[str, bytes]) -> bytes:
    stored = reader(origin)
    return Tiles(lambda path: files.get(path) or stored(path), size).root()


async def _have_cosigned(origin: str, published: Checkpoint) -> bool:
    """Serve the head with the cosignatures of all witnesses that answer now; return whether no witness refuses it."""
    witnesses = list(rules.read_witnesses(settings().log_witnesses))
    lines, is_refused = await collect_cosignatures(origin, published, witnesses)
    if lines:
        note = published.note() + "".join(lines)
        await object_store.put(rules.object_key(origin, rules.CHECKPOINT), note.encode())
    return not is_refused
