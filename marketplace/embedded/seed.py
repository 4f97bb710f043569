"""The demo's seeded data: a synthetic city, its people, datasets with releases, partners, a year of history, auctions.

It is the same at every first start; only the dates follow the calendar. Every step is an ordinary action, at the
instant that the shifted clock shows, and can be repeated: a start that was interrupted continues where it stopped.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Final

import numpy as np

from marketplace.datasets.ingestion import ingest_files
from marketplace.embedded.city_layers import draw_layers
from marketplace.embedded.seed_auctions import finish_auctions, is_sealed_auction_over, open_auctions
from marketplace.embedded.seed_catalogue import (
    BY_DAY,
    BY_HOUR,
    MONTHLY_PANEL,
    PANEL,
    STATISTICS,
    build_release,
    define_datasets,
    draw_consenting,
    get_latest_release,
    list_offers,
    record_consent,
    release_of,
)
from marketplace.embedded.seed_history import make_history, panel_days
from marketplace.embedded.seed_payouts import add_new_payees
from marketplace.embedded.seed_people import (
    ABROAD,
    PARTNER,
    STEWARD,
    SUBSCRIBER,
    add_staff_and_partners,
    add_subscriber,
    find_line,
    get_partner,
    list_rewards,
)
from marketplace.embedded.seed_sales import Sale, connect_programs, sell
from marketplace.embedded.seed_wishes import make_wishes
from marketplace.embedded.synthetic_city import NAME, TIME_ZONE, generate_city
from marketplace.local_time import local_day

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from marketplace.embedded.synthetic_city import City
    from marketplace.progress import ReportProgress

SEED: Final = 2013
INHABITANTS: Final = 120_000
WEEK: Final = dt.timedelta(weeks=1)
WEEKS: Final = 4


async def seed(state: Path, report: ReportProgress, now: dt.datetime, return_to_present: Callable[[], None]) -> None:
    """Add what is missing of the demo's data; `report` gets each step and the share done.

    now: the present. The clock shows when the history begins, until `return_to_present` is called.
    """
    if await is_sealed_auction_over():
        return
    end = last_monday(now)
    report(f"generating the city of {NAME}", 0.05)
    city = generate_city(
        state / "city",
        seed=SEED,
        people=INHABITANTS,
        start=end - WEEKS * WEEK,
        days=7 * WEEKS,
        panel=PANEL,
        panel_days=panel_days(now),
        time_zone=TIME_ZONE,
    )
    await open_marketplace(city, report)
    report("ingesting its events", 0.25)
    await ingest_files(str(city.events))
    await add_subscriber(await asyncio.to_thread(find_busy_line, city, panel_days(now)))
    await make_history(now, report, 0.3, 0.55)
    return_to_present()
    await _build_releases(end, report)
    await _do_business(report)


async def open_marketplace(city: City, report: ReportProgress) -> None:
    """Add staff and partners, lines with their consent, datasets and offers."""
    report("adding its people", 0.13)
    await add_staff_and_partners()
    await list_rewards()
    report("adding its mobile lines", 0.15)
    await ingest_files(subscribers=str(city.subscribers))
    report("recording consent", 0.2)
    await record_consent(city, seed=SEED)
    await define_datasets(city)
    await list_offers()
    await draw_layers()


async def _do_business(report: ReportProgress) -> None:
    """Open the auctions of the present, sell the latest releases, and let more lines be due."""
    report("opening auctions", 0.86)
    await open_auctions([await get_partner(who) for who in (PARTNER, ABROAD)], by=STEWARD.name)
    report("making the latest sales", 0.9)
    await sell(Sale("first", ABROAD, await get_latest_release(BY_DAY)))
    await sell(Sale("second", PARTNER, await get_latest_release(BY_HOUR)))
    await connect_programs(PARTNER)
    await make_wishes()
    line = await find_line(SUBSCRIBER)
    assert line is not None, "the subscriber is added first"
    await add_new_payees(line)
    await finish_auctions()


async def _build_releases(end: dt.date, report: ReportProgress) -> None:
    wanted = (
        release_of(BY_DAY, end - WEEKS * WEEK, 7 * WEEKS),
        release_of(BY_HOUR, end - 2 * WEEK, 7),
        release_of(BY_HOUR, end - WEEK, 7),
    )
    for number, release in enumerate(wanted):
        done = 0.55 + 0.1 * number

        def report_build(step: str, share: float, done: float = done) -> None:
            report(f"building a private release: {step}", done + 0.1 * share)

        await build_release(release, report_build)


def find_busy_line(city: City, days: Sequence[dt.date]) -> int:
    """Return a line that consents to all that earns, on the panel's most days of these, and there with the most events."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    seen = [pq.read_table(city.events / f"{day}.parquet", columns=["subscriber_id"])["subscriber_id"] for day in days]
    statistics, panel = (draw_consenting(city, seed=SEED, purpose=purpose) for purpose in (STATISTICS, MONTHLY_PANEL))
    lines = np.intersect1d(statistics, panel)
    present, events = np.zeros((2, len(lines)), np.int64)
    for one in seen:
        here, counts = np.unique(one.to_numpy(), return_counts=True)
        found = np.searchsorted(here, lines).clip(max=len(here) - 1)
        matches = here[found] == lines
        present += matches
        events += np.where(matches, counts[found], 0)
    return int(lines[np.lexsort((lines, events, present))[-1]])


def last_monday(now: dt.datetime) -> dt.date:
    """Return the present week's Monday in the city: the day that last week ended with."""
    today = local_day(now, TIME_ZONE)
    return today - dt.timedelta(days=today.weekday())
