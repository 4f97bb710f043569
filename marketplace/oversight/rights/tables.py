"""Columns and constraints of erasures, by ids that lead to nobody, and of breaches and their drills."""

from __future__ import annotations

from piccolo.columns import UUID, BigSerial, Boolean, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.constraints import Check, Unique
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import EVERYBODY, FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Person


class ErasedPerson(Table, db=DB, tablename="erasure"):
    """An erasure. It is also recorded outside the database, so that no restore brings the person back."""

    personal_data = PersonalData(EVERYBODY, FOR_GOOD, exported=False, erasure=Erasure.PSEUDONYM)
    person = UUID(primary_key=True)
    """The random id of the former row; of the person's data, only remaining rows still have it."""
    at = Timestamptz()
    noted_at = Timestamptz(null=True, default=None)
    """When it was written to PARTAGE_NOTES; null: not yet."""


class Incident(Table, db=DB, tablename="incident"):
    """A breach of personal data, or a drill: title, when it became known, its steward; only closing edits it."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = UUID(primary_key=True)
    is_drill = Boolean()
    title = Text()
    known_at = Timestamptz()
    """When we became aware, which begins the 72 hours of article 33."""
    begun_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    begun_at = Timestamptz()
    closed_at = Timestamptz(null=True, default=None)
    title_is_bounded = Check("length(title) BETWEEN 3 AND 200")
    known_before_it_was_begun = Check("known_at <= begun_at")


class IncidentStep(Table, db=DB, tablename="incident_step"):
    """A step of the plan, done or decided against: by whom, when, and with which note; append-only."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    id = BigSerial(primary_key=True)
    incident = ForeignKey(Incident, null=False, on_delete=OnDelete.restrict)
    step = Text()
    """A code of `plan.STEPS`."""
    note = Text()
    decided_by = ForeignKey(Person, null=False, on_delete=OnDelete.restrict)
    decided_at = Timestamptz()
    decided_once = Unique([incident, step])
