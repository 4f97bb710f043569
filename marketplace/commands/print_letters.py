"""`print-letters`: The letters that mail cannot deliver, for the post."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("file", type=Path, help="CSV to write for a mail merge; refused where it is there already")


async def run(arguments: argparse.Namespace) -> None:
    """Write the letters that are owed and that mail cannot deliver into a CSV for a mail merge, each once."""
    from marketplace.people.mail.printing import print_letters

    printed = await print_letters(arguments.file)
    print(f"{printed} letters written to {arguments.file}.")


COMMAND = Command("print-letters", on_database(run), arguments)
