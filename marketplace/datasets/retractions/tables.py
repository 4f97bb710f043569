"""The table of retractions: which events no longer count, who requested it and why."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData


class Retraction(Table, db=DB, tablename="retraction"):
    """Events of a half-open interval, of one line or of everyone, that no later build counts; once done it never changes.

    subscriber is the operator's reference and no key: a line that nobody claimed here may be retracted.
    """

    personal_data = PersonalData(
        (Of.SUBSCRIBER, Of.STAFF),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="subscriber = me.line AND ends_at > me.since",
    )
    id = BigSerial(primary_key=True)
    subscriber = BigInt(null=True, default=None)
    """The line; null: everyone."""
    starts_at = Timestamptz()
    ends_at = Timestamptz()
    reason = Text()
    asked_by = Text()
    asked_at = Timestamptz()
    done_at = Timestamptz(null=True, default=None)
    """When the events were removed from the event store; null: not yet."""
    interval_is_not_empty = Check("starts_at < ends_at")
    says_why = Check("reason <> '' AND asked_by <> ''")
