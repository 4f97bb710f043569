"""The list of erasures, separate from the database and its objects: a restore erases everyone on it again.

Each erasure is an object of its own among the notes, named by the random id that the person's row had, so the list
reveals nothing about anybody, and none is ever deleted. It is signed, so that nobody else can make a restore erase
people. An erasure is on it before it is acknowledged; a job writes what a killed process left.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.core import clock, signing
from marketplace.core.database import fetch_rows, select
from marketplace.core.errors import Conflict
from marketplace.core.notes import place
from marketplace.core.settings import settings
from marketplace.oversight.rights.tables import ErasedPerson

if TYPE_CHECKING:
    from marketplace.core.database import Values

A_BATCH: Final = 500
FOLDER: Final = "erasures/"


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
    for row in rows:
        stated = msgspec.json.encode(row)
        entry = Entry(stated.decode(), signing.sign(stated, settings().signing_key).hex())
        await place.put(_name_of(row.person), msgspec.json.encode(entry))
        noted: Values = {ErasedPerson.noted_at: clock.now()}
        await ErasedPerson.update(noted).where(ErasedPerson.person == row.person)
    return len(rows)


async def read_erasures() -> list[ListedErasure]:
    """Return the erasures on the list, the earliest first; refuse an unreadable list, and entries we did not sign."""

    def read() -> list[ListedErasure]:
        return [_checked(name, place.read(name)) for name in place.list_names(FOLDER)]

    return sorted(await asyncio.to_thread(read), key=lambda noted: noted.at)


def _name_of(person: uuid.UUID) -> str:
    return f"{FOLDER}{person}.json"


def _checked(name: str, data: bytes) -> ListedErasure:
    try:
        entry = msgspec.json.decode(data, type=Entry)
        stated, signature = entry.erased.encode(), bytes.fromhex(entry.signature)
        noted = msgspec.json.decode(stated, type=ListedErasure)
    except (msgspec.MsgspecError, ValueError):
        raise Conflict("{name} in PARTAGE_NOTES is not an erasure.", name=name) from None
    if not signing.verify(stated, signature, signing.public_key(settings().signing_key)) or name != _name_of(
        noted.person
    ):
        raise Conflict("{name} in PARTAGE_NOTES was not signed with this PARTAGE_SIGNING_KEY.", name=name)
    return noted
