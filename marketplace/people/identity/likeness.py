"""Signs that two accounts of staff belong to one human, who would then decide alone what takes two people."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final, Literal, TypeAlias

from msgspec import Struct

from marketplace.core import clock
from marketplace.core.database import fetch_column, fetch_row
from marketplace.people.audit_trail.actions import note_access
from marketplace.people.identity.guessing import by_provider, is_known_device
from marketplace.people.identity.queries import SQL
from marketplace.people.identity.tables import Person

Sign: TypeAlias = Literal["name", "address", "browser"]
LATELY: Final = dt.timedelta(days=90)
"""How long a shared browser is reported."""


class Alike(Struct, frozen=True):
    """What two people have in common."""

    name: bool
    address: bool
    browser: bool


async def note_shared_browser(person: uuid.UUID, device: str) -> None:
    """Note in the trail that a member of staff signs in with a browser that carries another one's mark."""
    if not device:
        return
    staff = Person.select(Person.id).where(Person.staff_role.is_not_null(), Person.ended_at.is_null())
    ids = await fetch_column(uuid.UUID, staff)
    for other in ids if person in ids else []:
        marks = (str(other), by_provider(other))
        if other != person and any(is_known_device(mark, device) for mark in marks):
            await note_access(person, "browser_of_another", other)


async def signs_of_one_human(one: uuid.UUID | None, other: uuid.UUID | None) -> list[Sign]:
    """Return the signs that two people may be one: the same name, the same address but for domain or tag, one browser.

    They are shown and refuse nothing: two people may have one name. For an unknown person there are no signs.
    """
    alike = await fetch_row(Alike, SQL["find_alike"], one, other, clock.now() - LATELY)
    if alike is None or one == other:
        return []
    compared: list[tuple[Sign, bool]] = [("name", alike.name), ("address", alike.address), ("browser", alike.browser)]
    return [sign for sign, is_so in compared if is_so]
