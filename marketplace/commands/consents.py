"""`consents`: The consents that shops, call centres and the operator's app collected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database, refuse_the_demos

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("verb", choices=["import"], help="what to do with them")
    parser.add_argument(
        "file", help="file, folder or bucket: reference, purpose, notice_version, word, at, channel (CSV or Parquet)"
    )


async def run(arguments: argparse.Namespace) -> None:
    """Record the consents and withdrawals that the operator collected, all of a file or none; again changes nothing."""
    from marketplace.core.progress import Progress
    from marketplace.subscribers.operators.consent_files import import_consents

    with Progress() as progress:
        done = await import_consents(arguments.file, progress)
    known = done.rows - done.given - done.withdrawn
    print(f"{done.given:,} consents and {done.withdrawn:,} withdrawals recorded; {known:,} rows said nothing new.")


COMMAND = Command("consents", on_database(run, before=refuse_the_demos), arguments)
