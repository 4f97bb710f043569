"""`factors`: Lost second factors, removed by the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("verb", choices=["remove"])
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--email", help="of the person who signs in with this address")
    whose.add_argument("--line", type=int, help="of the holder of this line")


async def run(arguments: argparse.Namespace) -> None:
    """Remove the second factors of somebody who lost them, once you have recognised them; their sessions end."""
    from marketplace.people.sign_in.factor_actions import remove_all

    people = await remove_all(email=arguments.email or "", line=arguments.line)
    print(
        f"The second factors of {people} of our people are removed; their password lets them in, and a letter says so."
    )


COMMAND = Command("factors", on_database(run), arguments)
