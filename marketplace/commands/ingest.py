"""`ingest`: Events and subscribers, ingested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, refuse_the_demos, with_pool

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what it takes."""
    parser.add_argument(
        "--events",
        default="",
        help="file, folder or bucket: subscriber_id, at, and latitude, longitude or site",
    )
    parser.add_argument("--subscribers", default="", help="file: subscriber_id, age_band, home_zone")
    parser.add_argument("--sites", default="", help="file: site, zone (an H3 cell, or a zone's name)")
    parser.add_argument(
        "--replace", action="store_true", help="the files are all there is of the days that they have events of"
    )


def run(arguments: argparse.Namespace) -> int:
    """Add or correct daily files of events, and the table of subscribers, in the event store; again changes nothing."""
    refuse_the_demos()

    async def story() -> int:
        from marketplace.datasets.ingestion import ingest_events
        from marketplace.progress import Progress

        with Progress() as progress:
            days = await ingest_events(
                arguments.events,
                arguments.subscribers,
                arguments.sites,
                replace=arguments.replace,
                progress=progress,
            )
        for day, events in sorted(days.items()):
            print(f"{day}: {events} events")
        print(f"{len(days)} days ingested.")
        return 0

    return with_pool(story)


COMMAND = Command("ingest", run, arguments)
