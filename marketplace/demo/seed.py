"""The demo's seeded data: two synthetic cities, their people, datasets with releases, partners, a year of history, auctions.

It is the same at every first start; only the dates follow the calendar. Every step is an ordinary action at the shifted
clock's instant, and can be repeated: an interrupted start continues where it stopped.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from marketplace.datasets.releases.ingestion import ingest_files
from marketplace.demo.city_layers import draw_layers
from marketplace.demo.seed_auctions import finish_auctions, is_sealed_auction_over, open_auctions
from marketplace.demo.seed_calendar import panel_days
from marketplace.demo.seed_catalogue import (
    MONTHLY_PANEL,
    STATISTICS,
    define_purposes,
    draw_consenting,
    record_consent,
)
from marketplace.demo.seed_cities import SEED
from marketplace.demo.seed_datasets import offer_datasets
from marketplace.demo.seed_history import make_history
from marketplace.demo.seed_payouts import add_new_payees
from marketplace.demo.seed_people import (
    ABROAD,
    PARTNER,
    STEWARD,
    SUBSCRIBER,
    add_staff_and_partners,
    add_subscriber,
    find_line,
    get_buyer,
    list_rewards,
)
from marketplace.demo.seed_releases import builder_running
from marketplace.demo.seed_sales import connect_programs
from marketplace.demo.seed_shop import keep_shop, sell_latest
from marketplace.demo.seed_wishes import make_wishes
from marketplace.demo.synthetic_city import day_file

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from marketplace.core.progress import ReportProgress
    from marketplace.demo.seed_cities import CitiesBeside
    from marketplace.demo.synthetic_city import City


async def seed(generating: CitiesBeside, report: ReportProgress, return_to_present: Callable[[], None]) -> None:
    """Add the missing parts of the demo's data; `report` gets each step and the share done.

    The clock shows the beginning of the history until `return_to_present` is called.
    """
    if await is_sealed_auction_over():
        return
    now = generating.now
    report("generating two cities, and adding people", 0.05)
    async with builder_running(now) as builder:
        await add_people()
        cities = await generating.generated()
        await open_marketplace(cities, report)
        builder.go_on()
        report("ingesting events", 0.25)
        await ingest_files(str(cities[0].events))
        builder.go_on()
        await draw_layers()
        await add_subscriber(await asyncio.to_thread(find_busy_line, cities[0], panel_days(now)))
        await make_history(now, report, 0.4, 0.8, built_next=builder.built_next)
        return_to_present()
        report("opening auctions", 0.8)
        await builder.built_next()
        await open_auctions([await get_buyer(who) for who in (PARTNER, ABROAD)], by=STEWARD.name)
        report("building private releases", 0.86)
        await builder.built_all()
    await _do_business(report)


async def add_people() -> None:
    """Add staff and partners, the alternatives to money, and the purposes to consent to."""
    await add_staff_and_partners()
    await list_rewards()
    await define_purposes()


async def open_marketplace(cities: Sequence[City], report: ReportProgress) -> None:
    """Add the cities' lines, the panel's events, consent, and offers. cities: in one folder, by their references."""
    city = cities[0]
    report("adding its mobile lines", 0.13)
    await ingest_files(subscribers=str(city.subscribers))
    report("recording consent", 0.18)
    references = np.concatenate([one.references for one in cities])
    async with asyncio.TaskGroup() as group:
        group.create_task(ingest_files(str(city.panel)))
        group.create_task(record_consent(city.events.parent, references, seed=SEED))
        group.create_task(offer_datasets())


async def _do_business(report: ReportProgress) -> None:
    """Sell the latest releases, make more lines due, and finish the auction that ends soon."""
    report("making the latest sales", 0.9)
    await sell_latest()
    await connect_programs(PARTNER)
    await make_wishes()
    await keep_shop()
    line = await find_line(SUBSCRIBER)
    assert line is not None, "the subscriber is added first"
    await add_new_payees(line)
    await finish_auctions()


def find_busy_line(city: City, days: Sequence[dt.date]) -> int:
    """Return the line present on most of these days of the panel, with most events, that consents to both uses sold."""
    import pyarrow.parquet as pq  # noqa: PLC0415

    seen = [pq.read_table(day_file(city.panel, day), columns=["subscriber_id"])["subscriber_id"] for day in days]
    statistics, panel = (
        draw_consenting(city.references, seed=SEED, purpose=purpose) for purpose in (STATISTICS, MONTHLY_PANEL)
    )
    lines = np.intersect1d(statistics, panel)
    present, events = np.zeros((2, len(lines)), np.int64)
    for one in seen:
        here, counts = np.unique(one.to_numpy(), return_counts=True)
        found = np.searchsorted(here, lines).clip(max=len(here) - 1)
        matches = here[found] == lines
        present += matches
        events += np.where(matches, counts[found], 0)
    return int(lines[np.lexsort((lines, events, present))[-1]])
