"""Columns and constraints of a company's saved zones, and of its questions about zones before paying."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, Integer, OnDelete, Text, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS, Erasure, Of, PersonalData
from marketplace.datasets.releases.tables import Release
from marketplace.people.identity.tables import Partner, Person


class KeptZones(Table, db=DB, tablename="kept_zones"):
    """Named zones of a company, as they were written, until one of its people deletes them."""

    personal_data = PersonalData(
        (Of.PARTNER,),
        "until its company deletes it",
        exported=True,
        erasure=Erasure.PSEUDONYM,
        find="kept_by = me.person",
    )
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    name = Text()
    zones = Text()
    kept_by = ForeignKey(Person, null=True, default=None, on_delete=OnDelete.set_null)
    """Null once the person is erased."""
    kept_at = Timestamptz()
    has_a_name = Check("length(name) BETWEEN 1 AND 80")
    is_short = Check("length(zones) BETWEEN 1 AND 100000")


class ZonePreview(Table, db=DB, tablename="zone_preview"):
    """A partner's question, before paying, about its own zones; stored to be counted, without the zones."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    zone_count = Integer()
    asked_at = Timestamptz()
    question = Text(default="")
    """A keyed hash of the release and the zones: the same id again must ask the same."""
    asks_for_zones = Check("zone_count > 0")
