"""`keys`: Which keys belong to this installation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, refuse_the_demos, with_pool

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("verb", choices=["accept"], help="accept: note the keys of this environment file")


def run(_: argparse.Namespace) -> int:
    """Accept keys that you changed on purpose: `serve` and `jobs` refuse others than those noted with the database."""
    refuse_the_demos()

    async def story() -> int:
        from marketplace.core.backup.keys import accept_keys

        others = await accept_keys()
        print(
            f"Accepted in place of the ones before: {', '.join(others)}."
            if others
            else "These keys were noted already."
        )
        return 0

    return with_pool(story)


COMMAND = Command("keys", run, arguments)
