"""The steward's page of a dry run, and how its parameters are read."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal, InvalidOperation
from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Template  # noqa: TC002 (Litestar reads a handler's annotations)

from marketplace.catalogue.steward.dry_run_queries import run
from marketplace.core.errors import Invalid, Refusal
from marketplace.core.local_time import midnight
from marketplace.core.web.pages import filled, page
from marketplace.datasets.releases.queries import get_dataset
from marketplace.people.identity.guards import expect, staff

FirstDay = Annotated[str, QueryParameter(name="first_day")]
LastDay = Annotated[str, QueryParameter(name="last_day")]
Consent = Annotated[str, QueryParameter(name="consent")]
reader = staff("steward", "auditor")


@get("/steward/datasets/{code:str}/dry-run", guards=[reader], opt=expect("steward", "auditor", stranger=200))
async def show_dry_run(
    code: FromPath[str], first_day: FirstDay = "", last_day: LastDay = "", consent: Consent = ""
) -> Template:
    """Show a simulated release before anything is spent, for several epsilons, grains and zones side by side."""
    dataset = await get_dataset(code)
    found, error = None, ""
    try:
        found = await run(code, _period(first_day, last_day, dataset.time_zone), consent=_share(consent))
    except Refusal as refusal:
        error = filled(refusal)
    form = {"first_day": first_day, "last_day": last_day, "consent": consent}
    return page("steward/dry_run.html", dataset=dataset, run=found, error=error, form=form)


def _period(first_day: str, last_day: str, time_zone: str) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the half-open period of two days of a time zone; None if neither is stated."""
    if not first_day.strip() and not last_day.strip():
        return None
    try:
        first, last = dt.date.fromisoformat(first_day.strip()), dt.date.fromisoformat(last_day.strip())
        return midnight(first, time_zone), midnight(last + dt.timedelta(days=1), time_zone)
    except (ValueError, OverflowError):
        raise Invalid("A day is written as 2026-03-28.") from None


def _share(text: str) -> float | None:
    """Return a percentage as a share, in (0, 1]; None if it is not stated."""
    if not text.strip():
        return None
    try:
        percent = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        percent = Decimal(0)
    if not (percent.is_finite() and 0 < percent <= 100):  # noqa: PLR2004 (percent)
        raise Invalid("The share that consents is above 0 and 100 % at most.")
    return float(percent) / 100


ROUTES = [show_dry_run]
