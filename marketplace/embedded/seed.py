"""The demo's seeded data: a synthetic city, its people, two datasets with releases, partners, sales and payouts.

It is the same at every first start; only the dates follow the calendar. Every step is an ordinary action and can be
repeated, so a start that was interrupted continues where it stopped.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from typing import TYPE_CHECKING, Final

from marketplace import clock
from marketplace.database import fetch_scalar
from marketplace.datasets.ingestion import ingest_events
from marketplace.earnings import actions as earnings
from marketplace.embedded.seed_auctions import finish_auctions, open_auctions
from marketplace.embedded.seed_catalogue import (
    BY_DAY,
    BY_HOUR,
    DemoRelease,
    ask_for_consent,
    build_release,
    define_datasets,
    get_latest_release,
    list_manifests,
    list_offers,
)
from marketplace.embedded.seed_payouts import make_payouts
from marketplace.embedded.seed_people import (
    ABROAD,
    PARTNER,
    STEWARD,
    SUBSCRIBER,
    add_staff_and_partners,
    add_subscriber,
    find_line,
    get_partner,
)
from marketplace.embedded.seed_sales import Sale, sell
from marketplace.embedded.synthetic_city import NAME, generate_city
from marketplace.identity import actions as identity
from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from marketplace.progress import ReportProgress

SEED: Final = 2013
INHABITANTS: Final = 120_000
WEEK: Final = dt.timedelta(weeks=1)
WEEKS: Final = 4


async def seed(state: Path, report: ReportProgress) -> None:
    """Add what is missing of the demo's data; `report` gets each step and the share done."""
    if await fetch_scalar(bool, "SELECT count(*) > 0 FROM payout_run WHERE state = 'settled'"):
        return
    end = last_monday(clock.now())
    start = end - WEEKS * WEEK
    report(f"generating the city of {NAME}", 0.05)
    city = generate_city(state / "city", seed=SEED, people=INHABITANTS, start=start.date(), days=7 * WEEKS)
    report("adding its mobile lines", 0.25)
    await identity.add_subscribers(city.references.tolist())
    report("recording consent", 0.3)
    await ask_for_consent(city, seed=SEED, at=start - dt.timedelta(days=30))
    await define_datasets(city)
    report("ingesting its events", 0.33)
    await ingest_events(str(city.events), str(city.subscribers))
    await _build_releases(end, report)
    report("adding people", 0.8)
    await add_staff_and_partners()
    await add_subscriber(await list_manifests())
    await list_offers()
    report("opening auctions", 0.86)
    await open_auctions([(await get_partner(who), who.email) for who in (PARTNER, ABROAD)], by=STEWARD.name)
    report("making the first sales", 0.88)
    with _shares_held_for(days=0):
        await sell(Sale("first", ABROAD, await get_latest_release(BY_DAY)))
        await earnings.release_shares()
    await sell(Sale("second", PARTNER, await get_latest_release(BY_HOUR)))
    await finish_auctions()
    report("paying subscribers", 0.96)
    line = await find_line(SUBSCRIBER)
    assert line is not None, "the subscriber is added first"
    await make_payouts(line)


async def _build_releases(end: dt.datetime, report: ReportProgress) -> None:
    wanted = (
        DemoRelease(BY_DAY, end - WEEKS * WEEK, end),
        DemoRelease(BY_HOUR, end - 2 * WEEK, end - WEEK),
        DemoRelease(BY_HOUR, end - WEEK, end),
    )
    for number, release in enumerate(wanted):
        done = 0.35 + 0.15 * number

        def report_build(step: str, share: float, done: float = done) -> None:
            report(f"building a private release: {step}", done + 0.15 * share)

        await build_release(release, report_build)


@contextlib.contextmanager
def _shares_held_for(*, days: int) -> Iterator[None]:
    """Hold the shares of what is sold in the block for so many days, so that there is something to pay out."""
    before = os.environ.get("HOLD_DAYS")
    os.environ["HOLD_DAYS"] = str(days)
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.pop("HOLD_DAYS") if before is None else os.environ.update(HOLD_DAYS=before)
        settings.cache_clear()


def last_monday(now: dt.datetime) -> dt.datetime:
    """Return midnight UTC of the present week's Monday: the end of last week."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - dt.timedelta(days=midnight.weekday())
