"""Columns and constraints of trials."""

from __future__ import annotations

from piccolo.columns import UUID, ForeignKey, OnDelete, Timestamptz
from piccolo.constraints import Check
from piccolo.table import Table

from marketplace.core.database import DB
from marketplace.core.personal_data import NOBODYS
from marketplace.datasets.releases.tables import Release
from marketplace.people.identity.tables import Partner


class Trial(Table, db=DB, tablename="trial"):
    """A partner's one trial: it may download a release between two instants, half-open, for free."""

    personal_data = NOBODYS
    id = UUID(primary_key=True)
    partner = ForeignKey(Partner, null=False, on_delete=OnDelete.restrict, unique=True)
    release = ForeignKey(Release, null=False, on_delete=OnDelete.restrict)
    began_at = Timestamptz()
    ends_at = Timestamptz()
    lasts_two_weeks = Check("ends_at = began_at + interval '14 days'")
