"""Columns and constraints of switches: the sector of each buyer, and pauses. A consent's record has its own scope."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import FOR_GOOD, Erasure, Of, PersonalData
from marketplace.people.identity.tables import Partner, Subscriber


class PartnerSector(Table, db=DB, tablename="partner_sector"):
    """A partner's sector; a partner without a row has none."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    partner = ForeignKey(Partner, primary_key=True, null=False, on_delete=OnDelete.restrict)
    sector = Text()
    """One of `rules.SECTORS`."""
    stated_by = Text()
    stated_at = Timestamptz()


class ConsentPause(Table, db=DB, tablename="consent_pause"):
    """A pause: everything was withdrawn at once, and can be given again unchanged; receipts follow from its id."""

    personal_data = PersonalData(
        (Of.SUBSCRIBER,),
        FOR_GOOD,
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="subscriber = me.line AND paused_at > me.since",
    )
    id = UUID(primary_key=True)
    subscriber = ForeignKey(Subscriber, null=False, on_delete=OnDelete.restrict, target_column="reference")
    paused_at = Timestamptz()
    resumed_at = Timestamptz(null=True, default=None)
    resumed_by = UUID(null=True, default=None, unique=True)
    """The form, or the operator's request, that ended it; the same one again ends no later pause."""
