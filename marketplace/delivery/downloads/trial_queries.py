"""Reads of trials: the release of a dataset that can be tried, and a partner's own trial."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.core.database import fetch_row, fetch_scalar
from marketplace.core.statements import load_statements
from marketplace.delivery.downloads.queries import EntitlementRow
from marketplace.delivery.downloads.trial_tables import Trial
from marketplace.people.identity.companies import of_one_company

SQL: Final = load_statements(__package__, "trial_queries.sql")
ALLOWED: Final = "trial_allowed"
"""The trail's verb for a steward's permission of a trial; the line itself is the permission."""


class Tryable(Struct, frozen=True):
    """The release of a dataset that can be tried; its period is half-open."""

    release: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime


class OwnTrial(EntitlementRow, frozen=True):
    """A partner's trial, with the release that it opens; it has no order."""

    title_fr: str
    title_en: str


async def find_tryable(dataset: str, sheet: str, now: dt.datetime) -> Tryable | None:
    """Return the latest release of a dataset that is two half-lives of its price sheet old, except its last one; or None."""
    return await fetch_row(Tryable, SQL["find_tryable"], dataset, sheet, now)


async def find_trial(partner: uuid.UUID) -> OwnTrial | None:
    """Return a partner's trial, also an ended one, or None."""
    return await fetch_row(OwnTrial, SQL["find_trial"], partner)


async def find_companys_trial(partner: uuid.UUID) -> uuid.UUID | None:
    """Return the account of a partner's company that has or had a trial, its own first, or None.

    `is_same_company` decides which accounts are the company's. Refuses an unknown partner.
    """
    tried = await Trial.select(Trial.partner).order_by(Trial.began_at).output(as_list=True)
    had = await of_one_company(partner, tried)
    return partner if partner in had else next(iter(had), None)


async def is_allowed(partner: uuid.UUID) -> bool:
    """Return whether a steward allowed a partner its trial although another account resembles its company."""
    return bool(await fetch_scalar(bool, SQL["is_allowed"], str(partner), ALLOWED))
