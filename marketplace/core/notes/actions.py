"""Noting what must not be forgotten: with its transaction, and outside the database before it is acknowledged.

`state_note` writes a row in the transaction of the word. Once that has committed, and before its block ends, the rows
that wait are put outside as one object: many words at once cost one write, as a group commit does. What a killed
process leaves, the job notes; nobody got an answer then. So a word that was acknowledged is outside, and a word that is
only outside was committed.

Objects are sealed under PARTAGE_IDENTITY_KEYS and padded: a reader of the place sees when something was said, and no more.
Source: NIST SP 800-38D (AES-GCM).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime as dt
import os
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ClassVar, Final, Literal
from weakref import WeakKeyDictionary

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from marketplace.core import clock
from marketplace.core.backup.queries import find_last_backup
from marketplace.core.database import after_commit, fetch_rows, is_in_transaction, select
from marketplace.core.errors import Conflict, Unavailable
from marketplace.core.notes import place
from marketplace.core.notes.tables import WaitingNote
from marketplace.core.sealing import derived, keyring
from marketplace.core.settings import settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

Kind = Literal["consent", "consents_imported", "pause", "line_kind", "retraction", "sector", "order", "bids"]
WORDS: Final = "words/"
NAME: Final = "words/%Y-%m-%d/%H%M%S%f"
NONCE_BYTES: Final = 12
LEAST_BYTES: Final = 1024
A_BATCH: Final = 200
"""Notes of one object: each may have hundreds of words."""
READ_AT_ONCE: Final = 16
SLACK: Final = dt.timedelta(minutes=10)
"""Most that the clocks of two processes may differ."""
_is_repeating = contextvars.ContextVar("is_repeating", default=False)


class Note(Struct, frozen=True):
    """A note: `content` is JSON, as its kind's package writes and reads it; `at`: when it was stated."""

    id: int
    kind: str
    content: str
    at: dt.datetime


class Batches:
    """The batches of one event loop: a caller waits for the next one to begin, which has all that was committed by now."""

    of_loop: ClassVar[WeakKeyDictionary[asyncio.AbstractEventLoop, Batches]] = WeakKeyDictionary()

    def __init__(self) -> None:
        """Begin without a batch."""
        self.writing, self.begun, self.done = asyncio.Lock(), 0, 0

    async def write(self) -> None:
        """Return once everything that was committed before this call is outside the database."""
        mine = self.begun + 1
        async with self.writing:
            if self.done >= mine:
                return
            self.begun += 1
            await _note_waiting()
            self.done = self.begun


async def state_note(kind: Kind, content: Struct | Mapping[str, object], *, is_awaited: bool = True) -> None:
    """Note something inside the transaction that makes it true, which ends only once the note is outside.

    is_awaited: False leaves the note to the job, which runs every ten seconds.
    """
    assert is_in_transaction(), "a note is stated in the transaction that makes it true"
    if _is_repeating.get():
        return
    text = msgspec.json.encode(content).decode()
    await WaitingNote.insert(WaitingNote(kind=kind, content=text, at=clock.now()))
    if is_awaited:
        await_notes()


def await_notes() -> None:
    """Let the open transaction end only once all that waits is noted: for a word that is repeated, too."""
    note_after_commit(note_now)


def note_after_commit(step: Callable[[], Awaitable[object]]) -> None:
    """Have the open transaction end only after `step`, which notes something outside; not while notes are repeated."""
    if not _is_repeating.get():
        after_commit(step)


async def note_now() -> None:
    """Put outside the database everything that waits; refuse if nothing outside can be written."""
    batches = Batches.of_loop.setdefault(asyncio.get_running_loop(), Batches())
    try:
        await batches.write()
    except OSError as error:
        raise Unavailable(
            "What you sent cannot be kept safe just now: send it again in a minute.", cause=str(error)
        ) from error


async def note_waiting() -> int:
    """Note what processes left when they were killed, and copy what went to this disk; a job. Return how many it copied."""
    await note_now()
    return await place.copy_waiting()


async def _note_waiting() -> None:
    waiting = select(Note, WaitingNote).order_by(WaitingNote.id).limit(A_BATCH)
    while rows := await fetch_rows(Note, waiting):
        name = f"{clock.now().astimezone(dt.UTC):{NAME}}-{uuid.uuid4().hex}"
        await place.put(name, _seal(name, rows))
        await WaitingNote.delete().where(WaitingNote.id.is_in([row.id for row in rows]))
        if len(rows) < A_BATCH:
            return


@contextlib.contextmanager
def repeating() -> Iterator[None]:
    """Repeat notes in this block: they are outside already, and are not noted again."""
    token = _is_repeating.set(True)
    try:
        yield
    finally:
        _is_repeating.reset(token)


async def read_notes(since: dt.datetime) -> list[Note]:
    """Return the notes since an instant, and some of the minutes before it, in the order they were stated.

    Refuses a place that cannot be read, and a note that PARTAGE_IDENTITY_KEYS does not open.
    """
    first = (since - SLACK).astimezone(dt.UTC)

    def read() -> list[Note]:
        days = [first.date() + dt.timedelta(days=day) for day in range((clock.now() - first).days + 2)]
        names = [name for day in days for name in place.list_names(f"{WORDS}{day}/") if name >= f"{first:{NAME}}"]
        with ThreadPoolExecutor(READ_AT_ONCE) as readers:
            return [note for notes in readers.map(_open, names) for note in notes]

    return sorted(await asyncio.to_thread(read), key=lambda note: (note.at, note.id))


async def delete_old_notes() -> int:
    """Delete the notes that every backup has which may still be restored; a job. Return how many objects."""
    now = clock.now()
    oldest = now - dt.timedelta(days=settings().backup_days)
    oldest = min(oldest, await find_last_backup() or oldest) - dt.timedelta(days=1)

    def delete() -> int:
        names = [name for name in place.list_names(WORDS) if name < f"{oldest.astimezone(dt.UTC):{NAME}}"]
        for name in names:
            place.delete(name)
        return len(names)

    return await asyncio.to_thread(delete)


def _seal(name: str, notes: list[Note]) -> bytes:
    """Encrypt notes for an object of this name alone; their length is padded to a power of two."""
    plain = msgspec.json.encode(notes)
    padded = plain.ljust(max(LEAST_BYTES, 1 << (len(plain) - 1).bit_length()))
    key_id, key = next(iter(keyring(settings().identity_keys).items()))
    nonce = os.urandom(NONCE_BYTES)
    return key_id.encode() + b"\n" + nonce + AESGCM(derived(key, "notes")).encrypt(nonce, padded, name.encode())


def _open(name: str) -> list[Note]:
    key_id, _, sealed = place.read(name).partition(b"\n")
    key = keyring(settings().identity_keys).get(key_id.decode(errors="replace"))
    try:
        assert key is not None
        plain = AESGCM(derived(key, "notes")).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], name.encode())
    except (AssertionError, InvalidTag, ValueError):
        raise Conflict("PARTAGE_IDENTITY_KEYS does not open {name} in PARTAGE_NOTES.", name=name) from None
    return msgspec.json.decode(plain, type=list[Note])
