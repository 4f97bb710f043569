"""The list of erasures, apart from the database and its objects: a restore reads it and erases again who is on it.

Each erasure is an object of its own, named by the random id that the person's row had, so the list says nothing of
anybody. It is signed: nobody else can have people erased by a restore. A job writes what was not written yet.
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

from marketplace import clock, signing
from marketplace.database import fetch_rows, select
from marketplace.errors import Conflict
from marketplace.identity.addresses import list_gone
from marketplace.object_store import TROUBLES
from marketplace.rights.erasing import erase
from marketplace.rights.tables import ErasedPerson
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from obstore.store import ObjectStore

    from marketplace.database import Values

A_BATCH: Final = 500


class Noted(Struct, frozen=True):
    """An erasure as the list has it."""

    person: uuid.UUID
    at: dt.datetime


class Entry(Struct, frozen=True):
    """An object of the list: an erasure, and the operator's signature of its JSON, hex."""

    erased: str
    signature: str


async def note_erasures() -> int:
    """Write the erasures into the list that are not in it; a job. Return how many."""
    waiting = select(Noted, ErasedPerson).where(ErasedPerson.noted_at.is_null()).order_by(ErasedPerson.at)
    rows = await fetch_rows(Noted, waiting.limit(A_BATCH))
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


async def read_erasures() -> list[Noted]:
    """Return who is on the list, the earliest first; refuse one that cannot be read, and an entry that we did not sign."""
    place = _open()

    def read() -> list[Noted]:
        try:
            names = [str(found["path"]) for batch in obstore.list(place) for found in batch]
            return [_checked(name, bytes(obstore.get(place, name).bytes())) for name in names if name.endswith(".json")]
        except TROUBLES as error:
            raise Conflict("PARTAGE_ERASURES cannot be read: {why}", why=str(error).splitlines()[0]) from error

    return sorted(await asyncio.to_thread(read), key=lambda noted: noted.at)


def _checked(name: str, data: bytes) -> Noted:
    try:
        entry = msgspec.json.decode(data, type=Entry)
        stated, signature = entry.erased.encode(), bytes.fromhex(entry.signature)
        noted = msgspec.json.decode(stated, type=Noted)
    except (msgspec.MsgspecError, ValueError):
        raise Conflict("{name} in PARTAGE_ERASURES is not an erasure.", name=name) from None
    if (
        not signing.verify(stated, signature, signing.public_key(settings().signing_key))
        or name != f"{noted.person}.json"
    ):
        raise Conflict("{name} in PARTAGE_ERASURES was not signed with this PARTAGE_SIGNING_KEY.", name=name)
    return noted


async def erase_again(listed: list[Noted], *, report: Callable[[str], None] = lambda _: None) -> int:
    """Erase again everyone on the list that the restored database has; return how many. `report` is given who could not be."""
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
    """Return where the list is: a folder of this machine, or a bucket."""
    place = settings().erasures or str(settings().state / "erasures")
    try:
        if len(urlsplit(place).scheme) > 1:
            return from_url(place)
        return from_url(Path(place).absolute().as_uri(), mkdir=True)
    except TROUBLES as error:
        raise Conflict("PARTAGE_ERASURES cannot be opened: {why}", why=str(error).splitlines()[0]) from error
