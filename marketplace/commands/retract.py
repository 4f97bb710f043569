"""`retract`: Events, retracted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, instant, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--line", type=int, help="the operator's reference of the line whose events go")
    whose.add_argument("--all", action="store_true", help="everyone's events go")
    parser.add_argument("--from", required=True, dest="starts_at", type=instant, help="start of the interval, included")
    parser.add_argument("--to", required=True, dest="ends_at", type=instant, help="end of the interval, excluded")
    parser.add_argument("--reason", required=True, help="why, for the record")


async def run(arguments: argparse.Namespace) -> None:
    """Remove events of an interval, of one line or of all, from the event store; no later build counts them."""
    from marketplace.core.progress import Progress
    from marketplace.datasets.retractions.actions import retract as retract_events

    with Progress() as progress:
        days = await retract_events(
            arguments.starts_at,
            arguments.ends_at,
            subscriber=arguments.line,
            reason=arguments.reason,
            by="command",
            progress=progress,
        )
    for day, events in sorted(days.items()):
        print(f"{day}: {events} events retracted")
    print(f"{len(days)} days changed.")


COMMAND = Command("retract", on_database(run), arguments)
