"""`mailbox`: Another address for a person whose mailbox is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("old", help="the address they gave")
    parser.add_argument("new", help="the address they have now")


async def run(arguments: argparse.Namespace) -> None:
    """Give somebody whose mailbox is lost another address, once you have recognised them; the former one may undo it for a week."""
    from marketplace.people.sign_in.way_back import replace_address

    await replace_address(arguments.old, arguments.new)
    print(f"{arguments.new} is their address now; “Forgotten password” sends a link there.")


COMMAND = Command("mailbox", on_database(run), arguments)
