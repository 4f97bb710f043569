"""The person whose rights are exercised, with their line or partner, as the declarations of tables name them."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row
from marketplace.core.errors import NotFound, existing
from marketplace.core.statements import load_statements
from marketplace.people.identity.queries import get_person

SQL: Final = load_statements(__package__)
LONG_AGO: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Capacity(Struct, frozen=True):
    """A person's line or partner, their language, and since when their line is theirs, if it had another holder."""

    partner: uuid.UUID | None
    line: int | None
    role: str | None
    language: str
    since: dt.datetime | None
    email_confirmed_at: dt.datetime | None


class Me(Struct, frozen=True):
    """A person for `PersonalData.find`; `since`: older rows of their line are another holder's."""

    person: uuid.UUID
    email: str
    line: int | None
    partner: uuid.UUID | None
    role: str | None
    language: str
    since: dt.datetime
    has_shown_email: bool


async def get_me(person: uuid.UUID) -> Me:
    """Return a person; refuses NotFound."""
    found = existing(await fetch_row(Capacity, SQL["find_capacity"], person), NotFound("There is no such person."))
    email = (await get_person(person)).email
    return Me(
        person,
        email,
        found.line,
        found.partner,
        found.role,
        found.language,
        found.since or LONG_AGO,
        found.email_confirmed_at is not None,
    )
