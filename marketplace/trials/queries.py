"""What is read of trials: what could be tried of a dataset, and a partner's own trial."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Final

from msgspec import Struct

from marketplace.companies import of_one_company
from marketplace.database import fetch_row, fetch_scalar
from marketplace.delivery.queries import EntitlementRow
from marketplace.statements import load_statements
from marketplace.trials.tables import Trial

SQL: Final = load_statements(__package__)
ALLOWED: Final = "trial_allowed"
"""What the trail calls it that a steward allowed a trial: its line is what allows it."""


class Tryable(Struct, frozen=True):
    """The release of a dataset that can be tried; its period is half-open."""

    release: uuid.UUID
    period_from: dt.datetime
    period_to: dt.datetime


class OwnTrial(EntitlementRow, frozen=True):
    """A partner's trial, as what it opens; it has no order."""

    title_fr: str
    title_en: str


async def find_tryable(dataset: str, before: dt.datetime) -> Tryable | None:
    """Return the latest release of a dataset whose period ended before an instant, its latest one aside; or None."""
    return await fetch_row(Tryable, SQL["find_tryable"], dataset, before)


async def find_trial(partner: uuid.UUID) -> OwnTrial | None:
    """Return a partner's trial, ended ones too, or None."""
    return await fetch_row(OwnTrial, SQL["find_trial"], partner)


async def find_companys_trial(partner: uuid.UUID) -> uuid.UUID | None:
    """Return the account of a partner's company that has or had a trial: its own before one that `is_same_company` knows.

    Refuses a partner that is not there.
    """
    tried = await Trial.select(Trial.partner).order_by(Trial.began_at).output(as_list=True)
    had = await of_one_company(partner, tried)
    return partner if partner in had else next(iter(had), None)


async def is_allowed(partner: uuid.UUID) -> bool:
    """Return whether a steward allowed a partner its trial, though another account looks like its company's."""
    return bool(await fetch_scalar(bool, SQL["is_allowed"], str(partner), ALLOWED))
