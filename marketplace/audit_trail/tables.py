"""Columns and constraints of the audit trail, and of the chain of hashes over it."""

from __future__ import annotations

from piccolo.columns import JSONB, UUID, BigInt, BigSerial, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.database import DB
from marketplace.personal_data import FOR_GOOD, NOBODYS, Erasure, Of, PersonalData, of_a_person


class StaffAction(Table, db=DB, tablename="staff_action"):
    """Who did what, when and why, with what it changed; append-only. Its name is from when staff alone were in it."""

    personal_data = of_a_person(FOR_GOOD, erasure=Erasure.PSEUDONYM)
    id = BigSerial(primary_key=True)
    at = Timestamptz()
    person = UUID(null=True, default=None)
    """None: a job, a command, or somebody unknown. No foreign key: an erased person's id stays, and leads to nobody."""
    verb = Text()
    subject = Text()
    """Id of what it was done to."""
    reason = Text()
    before = JSONB()
    after = JSONB()
    area = Text(default="decision")
    """What people decided, how they have access, or what staff asked of the site."""
    verb_is_named = Check("verb ~ '^[a-z_]{3,60}$'")
    known_area = Check("area IN ('decision', 'access', 'request')")


class StaffRequest(Table, db=DB, tablename="staff_request"):
    """A request of staff that is being answered; what became of it goes into the trail as this row is deleted.

    One that stays was begun by a process that was killed: a job notes it, for it may have been done all the same.
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
    """A line of the trail that is not in the chain yet: a trigger writes it with the line, the job that links deletes it."""

    personal_data = NOBODYS
    action = BigInt(primary_key=True)


class TrailLink(Table, db=DB, tablename="trail_link"):
    """A link of the chain: a line of the trail, hashed together with the hash of the link before; append-only."""

    personal_data = NOBODYS
    number = BigInt(primary_key=True)
    """1, 2, 3 … without a gap."""
    action = ForeignKey(StaffAction, null=False, on_delete=OnDelete.restrict, unique=True)
    hash = Text()
    """SHA-256, hex; `rules.hash_of` says of what."""
    number_counts_from_one = Check("number >= 1")
    hash_is_sha256 = Check("hash ~ '^[0-9a-f]{64}$'")
