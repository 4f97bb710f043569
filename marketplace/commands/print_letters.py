"""`print-letters`: The letters that mail cannot deliver, for the post."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, with_pool

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("file", type=Path, help="CSV to write for a mail merge; refused where it is there already")


def run(arguments: argparse.Namespace) -> int:
    """Write the letters that are owed and that mail cannot deliver into a CSV for a mail merge, each once."""

    async def story() -> int:
        from marketplace.people.mail.printing import print_letters

        printed = await print_letters(arguments.file)
        print(f"{printed} letters written to {arguments.file}.")
        return 0

    return with_pool(story)


COMMAND = Command("print-letters", run, arguments)
