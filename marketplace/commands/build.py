"""`build`: A private release, built."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, instant, on_database, refuse_the_demos

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("dataset", help="code of the dataset")
    parser.add_argument("--events", help="these events instead of the event store's: file, folder or bucket")
    parser.add_argument("--subscribers", help="this table instead of the one ingested last")
    parser.add_argument(
        "--from",
        required=True,
        dest="period_from",
        type=instant,
        help="start of the period, included, in local time",
    )
    parser.add_argument("--to", required=True, dest="period_to", type=instant, help="end of the period, excluded")
    parser.add_argument(
        "--even-if-empty", action="store_true", help="build although a dry run says that nothing would be published"
    )
    parser.add_argument(
        "--without-days", action="store_true", help="build although days of the period were not ingested"
    )


async def run(arguments: argparse.Namespace) -> int:
    """Build one private release of a dataset, from the event store or from files: Parquet or CSV, in a folder or bucket."""
    from marketplace.catalogue.offers.stated import count_published
    from marketplace.core.local_time import instant_at
    from marketplace.core.progress import Progress
    from marketplace.datasets.releases.actions import build as build_release
    from marketplace.datasets.releases.build_requests import refuse_missing_days
    from marketplace.datasets.releases.dry_run import refuse_an_empty_build
    from marketplace.datasets.releases.queries import get_dataset, get_release

    time_zone = (await get_dataset(arguments.dataset)).time_zone
    period_from = instant_at(arguments.period_from, time_zone)
    period_to = instant_at(arguments.period_to, time_zone)
    if not (arguments.even_if_empty or arguments.subscribers):  # a dry run knows no table from a file
        await refuse_an_empty_build(arguments.dataset, period_from, period_to)
    if not (arguments.without_days or arguments.events):
        await refuse_missing_days(period_from, period_to)
    with Progress() as progress:
        release = await build_release(
            arguments.dataset,
            events=arguments.events,
            subscribers=arguments.subscribers,
            period_from=period_from,
            period_to=period_to,
            progress=progress,
            allow=count_published,
        )
    row = await get_release(release)
    print(
        f"{row.state} {release}: {row.row_count} cells published of {row.key_count}, "
        f"{row.suppressed_micro / 10_000:.1f} % withheld, ε {row.epsilon_micro / 1_000_000:g} spent"
    )
    if row.refusal:
        print(row.refusal, file=sys.stderr)
        return 1
    return 0


COMMAND = Command("build", on_database(run, before=refuse_the_demos), arguments)
