"""`sessions`: Signed-in browsers, ended by the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument("verb", choices=["end"])
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--email", help="of everyone with this address")
    whose.add_argument("--line", type=int, help="of the holder of this line")
    whose.add_argument("--everyone", action="store_true", help="of all people, staff included")


async def run(arguments: argparse.Namespace) -> None:
    """End the sessions of one person or of everyone at once; they sign in again, with what they know and have."""
    from marketplace.people.identity.sessions import end_sessions

    ended = await end_sessions(email=arguments.email or "", line=arguments.line)
    print(f"{ended} sessions ended.")


COMMAND = Command("sessions", on_database(run), arguments)
