"""Declarations of the personal data in each table: whose, how long, in whose export, and the effect of an erasure.

A table declares it in its class, as `personal_data = …`. The manual's page of tables is checked against it, and a test
erases a person and finds none of their rows in the tables declared as deleted at once.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from msgspec import Struct


class Of(Enum):
    """The people whose data a table can have."""

    SUBSCRIBER = "subscribers"
    PARTNER = "partners' people"
    STAFF = "staff"


EVERYBODY: Final = (Of.PARTNER, Of.SUBSCRIBER, Of.STAFF)


class Erasure(Enum):
    """The effect of erasing a person on their rows."""

    NOTHING = "there is nothing to erase"
    DELETED = "their rows are deleted at once"
    EXPIRES = "their rows are deleted when their time is over"
    PSEUDONYM = "their rows stay under an id that leads to nobody any more"
    KEPT = "their rows stay: the law, or the other side of a contract, needs them"


class Ends(Struct, frozen=True):
    """When a table's rows are deleted, or emptied: so many days after the instant in the column `after`.

    `among` is a condition in SQL, for a table of which only some rows end. The job runs once a day, so a row may be a
    day older.
    """

    after: str
    days: int = 0
    among: str = "true"


class PersonalData(Struct, frozen=True):
    """The personal data of one table. `kept`: how long its rows stay; `exported`: whether a person's own export has them.

    `find` is the condition in SQL by which the export finds the rows of one person, `me`. It has me.person and
    me.email, and me.line and me.partner (null without one); me.since is when another holder of the line last left.
    `opened`: the sealed content of a row, for the export. `ends`: when the job deletes rows, if their time is limited.
    """

    of: tuple[Of, ...]
    kept: str
    exported: bool
    erasure: Erasure
    find: str = ""
    opened: tuple[str, ...] = ()
    ends: Ends | None = None

    def __post_init__(self) -> None:
        """Check that a table without people has nothing to export or erase, and that exported rows can be found."""
        assert bool(self.of) == (self.erasure is not Erasure.NOTHING), "people and erasure go together"
        assert self.of or not self.exported, "nobody's data is in nobody's export"
        assert self.ends or not re.search(r"\d", self.kept), "what is kept for so long says when it ends"
        assert self.exported == bool(self.find), (
            "what is exported says how a person's rows are found, and nothing else does"
        )


def of_a_person(kept: str, *, erasure: Erasure = Erasure.DELETED, ends: Ends | None = None) -> PersonalData:
    """Return the declaration of a table whose column `person` identifies the person."""
    return PersonalData(EVERYBODY, kept, exported=True, erasure=erasure, find="person = me.person", ends=ends)


FOR_GOOD: Final = "for good"
OLD_DOCUMENTS: Final = "names, addresses and texts 10 years after the end of their year; numbers and amounts for good"
"""How long accounting law requires documents, and how long the books need them afterwards."""
ELEVEN_YEARS: Final = 11 * 366
"""Days after which the names on a document are always gone: its year, and the ten that follow."""
CALLS: Final = "what was said 13 months; that it was, and of what, for good"
THIRTEEN_MONTHS: Final = 396
"""In days."""
NOBODYS: Final = PersonalData((), FOR_GOOD, exported=False, erasure=Erasure.NOTHING)
"""A table without personal data."""


def of_calls(of: tuple[Of, ...], after: str, among: str) -> PersonalData:
    """Return the declaration of a table of calls to others' services; `among` selects rows that still have content."""
    ends = Ends(after, THIRTEEN_MONTHS, among)
    return PersonalData(of, CALLS, exported=False, erasure=Erasure.KEPT, ends=ends)
