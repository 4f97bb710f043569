"""The list of erasures, separate from the database and its objects: a restore erases everyone on it again.

Each erasure is an object of its own, named by the random id that the person's row had, so the list reveals nothing
about anybody. It is signed, so that nobody else can make a restore erase people. A job writes missing entries.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
import obstore
from msgspec import Struct
from obstore.store import from_url

from marketplace.core import clock, signing
from marketplace.core.database import fetch_rows, select
from marketplace.core.errors import Conflict
from marketplace.core.object_store import TROUBLES
from marketplace.core.settings import settings
from marketplace.oversight.rights.erasing import erase
from marketplace.oversight.rights.tables import ErasedPerson
from marketplace.people.identity.addresses import list_gone

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore

    from marketplace.core.database import Values

A_BATCH: Final = 500


class ListedErasure(Struct, frozen=True):
    """An erasure in the list."""

    person: uuid.UUID
    at: dt.datetime


class Entry(Struct, frozen=True):
    """An object of the list: an erasure, and the operator's signature of its JSON, hex."""

    erased: str
    signature: str


async def note_erasures() -> int:
    """Write missing erasures into the list; a job. Return how many."""
    waiting = select(ListedErasure, ErasedPerson).where(ErasedPerson.noted_at.is_null()).order_by(ErasedPerson.at)
    rows = await fetch_rows(ListedErasure, waiting.limit(A_BATCH))
    if not rows:
        return 0
    place = _open()
    for row in rows:
        stated = msgspec.json.encode(row)
        entry = Entry(stated.decode(), signing.sign(stated, settings().signing_key).hex())
        try:
            await obstore.put_async(place, f"{row.person}.json", msgspec.json.encode(entry))
        except TROUBLES as error:
            raise Conflict("PARTAGE_ERASURES cannot be written: {why}", why=str(error).splitlines()[0]) from error
        noted: Values = {ErasedPerson.noted_at: clock.now()}
        await ErasedPerson.update(noted).where(ErasedPerson.person == row.person)
    return len(rows)


async def read_erasures() -> list[ListedErasure]:
    """Return the erasures on the list, the earliest first; refuse an unreadable list, and entries we did not sign."""
    place = _open()

    def read() -> list[ListedErasure]:
        try:
            names = [str(found["path"]) for batch in obstore.list(place) for found in batch]
            return [_checked(name, bytes(obstore.get(place, name).bytes())) for name in names if name.endswith(".json")]
        except TROUBLES as error:
            raise Conflict("PARTAGE_ERASURES cannot be read: {why}", why=str(error).splitlines()[0]) from error

    return sorted(await asyncio.to_thread(read), key=lambda noted: noted.at)


def _checked(name: str, data: bytes) -> ListedErasure:
    try:
        entry = msgspec.json.decode(data, type=Entry)
        stated, signature = entry.erased.encode(), bytes.fromhex(entry.signature)
        noted = msgspec.json.decode(stated, type=ListedErasure)
    except (msgspec.MsgspecError, ValueError):
        raise Conflict("{name} in PARTAGE_ERASURES is not an erasure.", name=name) from None
    if (
        not signing.verify(stated, signature, signing.public_key(settings().signing_key))
        or name != f"{noted.person}.json"
    ):
        raise Conflict("{name} in PARTAGE_ERASURES was not signed with this PARTAGE_SIGNING_KEY.", name=name)
    return noted


async def erase_again(listed: list[ListedErasure], *, report: Callable[[str], None] = lambda _: None) -> int:
    """Erase again everyone on the list that the restored database has; return how many.

    `report` is called with each failure.
    """
    gone = set(await list_gone([noted.person for noted in listed]))
    done = 0
    for noted in listed:
        if noted.person in gone:
            continue
        try:
            await erase(noted.person, again=True)
            done += 1
        except Conflict as refusal:
            report(f"{noted.person} is not erased again: {refusal}")
    return done


def _open() -> ObjectStore:
    """Return the store of the list: a folder of this machine, or a bucket."""
    place = settings().erasures or str(settings().state / "erasures")
    try:
        if len(urlsplit(place).scheme) > 1:
            return from_url(place)
        return from_url(Path(place).absolute().as_uri(), mkdir=True)
    except TROUBLES as error:
        raise Conflict("PARTAGE_ERASURES cannot be opened: {why}", why=str(error).splitlines()[0]) from error
