"""Signs that two accounts of staff are one human, who would then decide alone what two people must decide."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from marketplace import clock
from marketplace.audit_trail.actions import note_access
from marketplace.database import fetch_row, fetch_rows, select
from marketplace.identity.guessing import by_provider, is_known_device
from marketplace.identity.queries import SQL
from marketplace.identity.tables import Person

Sign: TypeAlias = Literal["name", "address", "browser"]
LATELY: Final = dt.timedelta(days=90)
"""How long a browser that both signed in with is named."""


class InOffice(Struct, frozen=True):
    """Somebody of the staff."""

    id: uuid.UUID


class Alike(Struct, frozen=True):
    """What two people have in common."""

    name: bool
    address: bool
    browser: bool


async def note_shared_browser(person: uuid.UUID, device: str) -> None:
    """Note in the trail that somebody of the staff signs in with a browser whose mark is another one's of the staff."""
    if not device:
        return
    staff = select(InOffice, Person).where(Person.staff_role.is_not_null(), Person.ended_at.is_null())
    ids = [row.id for row in await fetch_rows(InOffice, staff)]
    for other in ids if person in ids else []:
        marks = (str(other), by_provider(other))
        if other != person and any(is_known_device(mark, device) for mark in marks):
            await note_access(person, "browser_of_another", other)


async def signs_of_one_human(one: uuid.UUID | None, other: uuid.UUID | None) -> list[Sign]:
    """Return what says that two people may be one: the same name, the same address but for its domain or tag, one browser.

    It is named, and refuses nothing: two people may be called alike. Of somebody who is not known there is none.
    """
    alike = await fetch_row(Alike, SQL["find_alike"], one, other, clock.now() - LATELY)
    if alike is None or one == other:
        return []
    compared: list[tuple[Sign, bool]] = [("name", alike.name), ("address", alike.address), ("browser", alike.browser)]
    return [sign for sign, is_so in compared if is_so]
