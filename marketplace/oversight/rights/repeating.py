"""After a restore: what people said and who erased themselves is done again from the notes, and what is missing is named.

Words are repeated in the order in which they were stated, by the actions that recorded them; what the database has
already changes nothing. Orders and bids cannot be repeated, since others' money and others' bids depend on them.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from marketplace.consent.purposes import actions as consent
from marketplace.consent.purposes.queries import get_kind
from marketplace.consent.switches import actions as switches
from marketplace.consent.switches.queries import get_sector
from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Conflict, Refusal
from marketplace.core.notes.actions import read_notes, repeating
from marketplace.datasets.retractions import actions as retractions
from marketplace.oversight.rights.erasing import erase
from marketplace.oversight.rights.queries import SQL
from marketplace.people.identity.actions import add_subscribers
from marketplace.people.identity.addresses import list_gone

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from marketplace.oversight.rights.erasure_list import ListedErasure


class Words(Struct, frozen=True):
    """The content of a note of consents and withdrawals."""

    words: list[consent.NotedWord]


class LineKind(Struct, frozen=True):
    """The content of a note of what kind of line one is."""

    subscriber: int
    kind: str | None


class Imported(Struct, frozen=True):
    """The content of a note of many words that the operator has in a file or in its contracts."""

    source: str
    at: dt.datetime
    given: int


async def repeat_words(since: dt.datetime, *, report: Callable[[str], None] = lambda _: None) -> int:
    """Repeat every word noted since an instant that the database lacks, and return how many notes changed something.

    `report` is called with a sentence for each word that could not be repeated, and for each file to import again.
    """
    changed = 0
    with repeating():
        for note in await read_notes(since):
            if note.kind not in REPEATED:
                continue
            try:
                changed += await REPEATED[note.kind](note.content)
            except Refusal as refusal:
                report(f"{note.at:%Y-%m-%d %H:%M:%S} UTC, {note.kind}: {refusal}")
    return changed


async def erase_again(listed: list[ListedErasure], *, report: Callable[[str], None] = lambda _: None) -> int:
    """Erase again everyone on the list that the restored database has; return how many.

    `report` is called with each failure.
    """
    gone = set(await list_gone([noted.person for noted in listed]))
    done = 0
    with repeating():
        for noted in listed:
            if noted.person in gone:
                continue
            try:
                await erase(noted.person, again=True)
                done += 1
            except Conflict as refusal:
                report(f"{noted.person} is not erased again: {refusal}")
    return done


async def _words(content: str) -> bool:
    return any([await consent.repeat(word) for word in msgspec.json.decode(content, type=Words).words])


async def _pause(content: str) -> bool:
    return await switches.repeat_pause(msgspec.json.decode(content, type=switches.NotedPause))


async def _line_kind(content: str) -> bool:
    noted = msgspec.json.decode(content, type=LineKind)
    if await get_kind(noted.subscriber) == noted.kind:
        return False
    await add_subscribers([noted.subscriber])
    await consent.state_kind(noted.subscriber, noted.kind)
    return True


async def _sector(content: str) -> bool:
    noted = msgspec.json.decode(content, type=switches.NotedSector)
    if await get_sector(noted.partner) == noted.sector:
        return False
    await switches.state_sector(noted.partner, noted.sector, None, noted.name)
    return True


async def _retraction(content: str) -> bool:
    return await retractions.repeat(msgspec.json.decode(content, type=retractions.NotedRetraction))


async def _imported(content: str) -> bool:
    """Name consents that came in a file: only the operator has them, and importing it again adds what is missing."""
    noted = msgspec.json.decode(content, type=Imported)
    if await fetch_scalar(bool, SQL["is_imported"], noted.source, noted.at):
        return False
    raise Conflict("Import {source} again: {count} consents.", source=noted.source, count=noted.given)


REPEATED: Final[dict[str, Callable[[str], Awaitable[bool]]]] = {
    "consent": _words,
    "consents_imported": _imported,
    "pause": _pause,
    "line_kind": _line_kind,
    "retraction": _retraction,
    "sector": _sector,
}
"""Kind of a note → what repeats it, and returns whether that changed anything."""
