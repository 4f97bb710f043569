"""`bounces`: Letters that came back, noted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "reports", type=Path, nargs="+", help="files, or folders of files, with what came to MAIL_BOUNCES"
    )


async def run(arguments: argparse.Namespace) -> None:
    """Note letters that came back, from the reports in files or folders; again changes nothing."""
    from marketplace.people.mail.actions import note_bounce
    from marketplace.people.mail.bounces import read_bounce

    files = [
        file
        for given in arguments.reports
        for file in (sorted(given.rglob("*")) if given.is_dir() else [given])
        if file.is_file()
    ]
    noted = 0
    for file in files:
        bounce = read_bounce(file.read_bytes())
        noted += bounce is not None and await note_bounce(bounce.letter, bounce.code, bounce.text)
    print(f"{len(files)} reports read, {noted} letters came back.")


COMMAND = Command("bounces", on_database(run), arguments)
