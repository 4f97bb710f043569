"""`ingest`: Events and subscribers, ingested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from marketplace.commands.command import Command, on_database, refuse_the_demos

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from marketplace.people.identity.lines import LineCounts

MOST_NAMED: Final = 10
LONGEST_NAME: Final = 60


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "--events",
        default="",
        help="file, folder or bucket: subscriber_id, at, and latitude, longitude or site",
    )
    parser.add_argument("--subscribers", default="", help="file of all lines: subscriber_id, age_band, home_zone")
    parser.add_argument("--sites", default="", help="file: site, zone (an H3 cell, or a zone's name)")
    parser.add_argument(
        "--replace", action="store_true", help="the files are all there is of the days that they have events of"
    )
    parser.add_argument(
        "--allow-gone",
        type=int,
        default=0,
        metavar="N",
        help="up to so many lines may be missing from the table of subscribers, and end",
    )


async def run(arguments: argparse.Namespace) -> None:
    """Add or correct daily files of events, and the table of all lines, which creates and ends them; again changes nothing."""
    from marketplace.core.progress import Progress
    from marketplace.core.settings import settings
    from marketplace.datasets.releases.ingestion import ingest_files

    with Progress() as progress:
        done = await ingest_files(
            arguments.events,
            arguments.subscribers,
            arguments.sites,
            replace=arguments.replace,
            allow_gone=arguments.allow_gone,
            progress=progress,
        )
    if done.lines:
        print(described(done.lines))
    print_unknown(done.unknown_homes)
    if arguments.sites or settings().sites:
        print("The table of sites is ingested.")
    for day, events in sorted(done.days.items()):
        print(f"{day}: {events} events")
    if arguments.events or settings().events:
        print(f"{len(done.days)} days ingested.")


def described(lines: LineCounts) -> str:
    """Return a sentence on the changes by a table of lines."""
    counts = f"{lines.new:,} new, {lines.returned:,} back again, {lines.changed:,} changed, {lines.gone:,} gone"
    return f"{lines.lines:,} lines in force: {counts}."


def print_unknown(homes: Mapping[str, int]) -> None:
    """Name the home zones that are unknown here, the most frequent first, each with its number of lines."""
    for home, lines in list(homes.items())[:MOST_NAMED]:
        name = repr(home[:LONGEST_NAME])
        print(
            f"No zone is called {name}, the home of {lines:,} {'line' if lines == 1 else 'lines'}: define it, or correct it."
        )
    if len(homes) > MOST_NAMED:
        rest = list(homes.values())[MOST_NAMED:]
        print(f"So it is with {len(rest):,} more home zones, of {sum(rest):,} lines.")


COMMAND = Command("ingest", on_database(run, before=refuse_the_demos), arguments)
