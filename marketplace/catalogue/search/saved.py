"""Saved searches: save and stop one, and notify its person of new matches."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from msgspec import Struct

from marketplace.catalogue.message_kinds import SEARCH_MATCH
from marketplace.catalogue.search.finding import find
from marketplace.catalogue.search.queries import SQL
from marketplace.catalogue.search.rules import State, read_state
from marketplace.catalogue.search.tables import SavedSearch
from marketplace.core import clock
from marketplace.core.database import Values, fetch_column, fetch_rows, select, transaction
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.locks import lock
from marketplace.people.messages.actions import send
from marketplace.people.messages.rules import Recipient

if TYPE_CHECKING:
    from piccolo.custom_types import Combinable

MOST_SAVED: Final = 50
MOST_MATCHES: Final = 200
"""Datasets of a search that are compared, the latest first."""
ONE_LETTER_IN: Final = dt.timedelta(hours=23)
LOOKED_EVERY: Final = dt.timedelta(hours=1)
BATCH_SIZE: Final = 100
LONGEST_NAME: Final = 200


class Saved(Struct, frozen=True):
    """A person's saved search."""

    id: uuid.UUID
    person: uuid.UUID
    name: str
    query: str
    saved_at: dt.datetime
    written_at: dt.datetime | None

    @property
    def state(self) -> State:
        """Return its state."""
        return read_state(parse_qsl(self.query))


async def save(person: uuid.UUID, state: State, name: str, *, search_id: uuid.UUID) -> None:
    """Save a person's search with its present matches as known; the same id again saves nothing more."""
    name = name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid("Give the search a name of {most} letters at most.", most=LONGEST_NAME, field="name")
    now = clock.now()
    async with transaction():
        await lock(f"saved searches {person}")
        if await SavedSearch.exists().where(SavedSearch.id == search_id):
            return
        if await SavedSearch.count().where(SavedSearch.person == person) >= MOST_SAVED:
            raise Conflict("You saved {most} searches: stop one first.", most=MOST_SAVED)
        row = SavedSearch(id=search_id, person=person, name=name, query=state.query(), saved_at=now, looked_at=now)
        await SavedSearch.insert(row)
        await _match(search_id, state, now)


async def stop(person: uuid.UUID, search_id: uuid.UUID) -> None:
    """Stop one of a person's own searches; NotFound for another person's."""
    its = (SavedSearch.id == search_id) & (SavedSearch.person == person)
    async with transaction():
        await lock(f"saved searches {person}")
        if not await SavedSearch.delete().where(its).returning(SavedSearch.id):
            raise NotFound("There is no such saved search.")


async def list_saved(person: uuid.UUID) -> list[Saved]:
    """Return a person's searches, the latest saved first."""
    rows = select(Saved, SavedSearch).where(SavedSearch.person == person)
    return await fetch_rows(Saved, rows.order_by(SavedSearch.saved_at, ascending=False))


async def write_alerts() -> int:
    """Notify people of new matches of their searches, once a day each at most; a job. Return how many messages."""
    now = clock.now()
    rows = select(Saved, SavedSearch).where(_due(now)).order_by(SavedSearch.looked_at).limit(BATCH_SIZE)
    return sum([await _write_alert(saved, now) for saved in await fetch_rows(Saved, rows)])


async def _write_alert(saved: Saved, now: dt.datetime) -> bool:
    """Send one search's new matches; not if another process did so already, or it was stopped."""
    async with transaction():
        await lock(f"saved searches {saved.person}")
        its = SavedSearch.id == saved.id
        if not await SavedSearch.exists().where(its, _due(now)):
            return False
        matched = await _match(saved.id, saved.state, now)
        looked: Values = {SavedSearch.looked_at: now}
        if matched:
            looked[SavedSearch.written_at] = now
            details = {"name": saved.name, "count": str(len(matched)), "query": saved.query}
            source = f"{saved.id} {now:%Y-%m-%dT%H:%M:%S}"
            await send(SEARCH_MATCH, source, [Recipient("person", str(saved.person))], **details)
        await SavedSearch.update(looked).where(its)
    return bool(matched)


def _due(now: dt.datetime) -> Combinable:
    """Return the searches to compare now: hourly, without those that sent a message within a day."""
    return (SavedSearch.looked_at <= now - LOOKED_EVERY) & (
        SavedSearch.written_at.is_null() | (SavedSearch.written_at <= now - ONE_LETTER_IN)
    )


async def _match(search_id: uuid.UUID, state: State, now: dt.datetime) -> list[uuid.UUID]:
    """Record the latest matching releases, and return the new ones."""
    found = await find(state, skip=0, most=MOST_MATCHES)
    return await fetch_column(uuid.UUID, SQL["note_matches"], search_id, found.codes, now)
