"""`objects`: The object store, moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("verb", choices=("move",), help="move: copy every object to another store and compare")
    parser.add_argument("to", help="the other store: a folder or an address (file:///…, s3://…)")


async def run(arguments: argparse.Namespace) -> None:
    """Copy every object to another store, the event store too, so that PARTAGE_OBJECTS can name it without ingesting again."""
    from marketplace.core.backup.actions import move_objects

    moved = await move_objects(arguments.to)
    print(f"{moved} objects are there and the same. Set PARTAGE_OBJECTS to the new store and start again.")


COMMAND = Command("objects", on_database(run), arguments)
