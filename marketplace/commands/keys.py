"""`keys`: Which keys belong to this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database, refuse_the_demos

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("verb", choices=["accept"], help="accept: note the keys of this environment file")


async def run(_: argparse.Namespace) -> None:
    """Accept keys that you changed on purpose: `serve` and `jobs` refuse others than those noted with the database."""
    from marketplace.core.backup.keys import accept_keys

    others = await accept_keys()
    print(f"Accepted in place of the ones before: {', '.join(others)}." if others else "These keys were noted already.")


COMMAND = Command("keys", on_database(run, before=refuse_the_demos), arguments)
