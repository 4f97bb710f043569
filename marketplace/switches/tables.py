"""Columns and constraints of switches: the sector of each buyer, and pauses. What a word covers is in the consent's own row."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table

from marketplace.database import DB
from marketplace.identity.tables import Partner, Subscriber
from marketplace.personal_data import FOR_GOOD, Erasure, Of, PersonalData


class PartnerSector(Table, db=DB, tablename="partner_sector"):
    """The sector that a partner is of; one without a row is of none."""

    personal_data = PersonalData((Of.STAFF,), FOR_GOOD, exported=False, erasure=Erasure.KEPT)
    partner = ForeignKey(Partner, primary_key=True, null=False, on_delete=OnDelete.restrict)
    sector = Text()
    """One of `rules.SECTORS`."""
    stated_by = Text()
    stated_at = Timestamptz()


class ConsentPause(Table, db=DB, tablename="consent_pause"):
    """A pause: everything was withdrawn at once, to be given again as it was; receipts follow from its id."""

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
