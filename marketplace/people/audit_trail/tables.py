"""Columns and constraints of the audit trail, and of the chain of hashes over it."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, BigSerial, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData, of_a_person


class StaffAction(Table, db=DB, tablename="staff_action"):
    """Who did what, when and why, and what it changed; append-only. Its name is from when only staff were in it."""

    personal_data = of_a_person(FOR_GOOD, erasure=Erasure.PSEUDONYM)
    id = BigSerial(primary_key=True)
    at = Timestamptz()
    person = UUID(null=True, default=None)
    """None: a job, a command, or somebody unknown. There is no foreign key: the id of an erased person stays and points
    to no row.
    """
    verb = Text()
    subject = Text()
    """Id of the row that it was done to."""
    reason = Text()
    before = JSONB()
    after = JSONB()
    area = Text(default="decision")
    """The kind of line: a decision, a change of access, or a request of staff."""
    verb_is_named = Check("verb ~ '^[a-z_]{3,60}$'")
    known_area = Check("area IN ('decision', 'access', 'request')")


class StaffRequest(Table, db=DB, tablename="staff_request"):
    """A request of staff that is being answered; its outcome goes into the trail as this row is deleted.

    A row stays if its process was killed. A job then notes it, since the action may have been done.
    """

    personal_data = PersonalData((Of.STAFF,), "until it is in the trail", exported=False, erasure=Erasure.EXPIRES)
    id = BigSerial(primary_key=True)
    at = Timestamptz()
    person = UUID()
    route = Text()
    """Its method and its path as the site states it."""
    subject = Text()
    """The ids in its address."""


class UnlinkedAction(Table, db=DB, tablename="unlinked_action"):
    """A line of the trail not yet in the chain. A trigger writes it with the line; the linking job deletes it."""

    personal_data = NOBODYS
    action = BigInt(primary_key=True)


class TrailLink(Table, db=DB, tablename="trail_link"):
    """A link of the chain: a line of the trail, hashed together with the hash of the link before; append-only."""

    personal_data = NOBODYS
    number = BigInt(primary_key=True)
    """1, 2, 3 … without a gap."""
    action = ForeignKey(StaffAction, null=False, on_delete=OnDelete.restrict, unique=True)
    hash = Text()
    """SHA-256, hex, as `rules.hash_of` computes it."""
    number_counts_from_one = Check("number >= 1")
    hash_is_sha256 = Check("hash ~ '^[0-9a-f]{64}$'")
