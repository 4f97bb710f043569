"""Columns and constraints of erasures, by an id that leads to nobody any more, and of breaches and their drills."""

from __future__ import annotations

from piccolo.columns import UUID, BigSerial, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Person
from marketplace.personal_data import EVERYBODY, FOR_GOOD, Erasure, Of, PersonalData


class ErasedPerson(Table, db=DB, tablename="erasure"):
    """Somebody was erased. Noted apart from the database too, so that no restore brings them back."""

    personal_data = PersonalData(EVERYBODY, FOR_GOOD, exported=False, erasure=Erasure.PSEUDONYM)
    person = UUID(primary_key=True)
    """The random id that their row had; nothing else of theirs has it but what stays under it."""
    at = Timestamptz()
    noted_at = Timestamptz(null=True, default=None)
    """When it was noted in PARTAGE_ERASURES; null: not yet."""


class Incident(Table, db=DB, tablename="incident"):
    """A breach of personal data, or a drill of one: what, since when we know, who began it; never edited but to be closed."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    is_drill = Boolean()
    title = Text()
    known_at = Timestamptz()
    """When we became aware: the 72 hours of article 33 begin then."""
    begun_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    begun_at = Timestamptz()
    closed_at = Timestamptz(null=True, default=None)
    title_is_bounded = Check("length(title) BETWEEN 3 AND 200")
    known_before_it_was_begun = Check("known_at <= begun_at")


class IncidentStep(Table, db=DB, tablename="incident_step"):
    """A step of the plan was done or decided against: by whom, when, and with which words; append-only."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = BigSerial(primary_key=True)
    incident = ForeignKey(Incident, null=False, on_delete=OnDelete.restrict)
    step = Text()
    """A code of `plan.STEPS`."""
    note = Text()
    decided_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    decided_at = Timestamptz()
    decided_once = Unique([incident, step])
