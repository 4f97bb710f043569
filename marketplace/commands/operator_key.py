"""`operator-key`: Keys of the operator's own systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    from marketplace.subscribers.operators.rules import SCOPES

    verbs = parser.add_subparsers(dest="verb", required=True, metavar="add|end|list")
    add = verbs.add_parser("add", help="make a key and print it, this once")
    add.add_argument("label", help="which system has it, such as 'shops'")
    add.add_argument("--may", nargs="+", choices=SCOPES, default=[], help="what it may do; all of it unless said")
    end = verbs.add_parser("end", help="end a key at once")
    end.add_argument("prefix", help="the key's first characters, as `list` shows them")
    verbs.add_parser("list", help="show every key, what it may do and when it was last used")


async def run(arguments: argparse.Namespace) -> None:
    """Add, end or list the keys of the operator's own app and shop systems, which can do what their API does alone."""
    from marketplace.subscribers.operators import actions, queries

    if arguments.verb == "add":
        print(await actions.add_key(arguments.label, arguments.may))
    elif arguments.verb == "end":
        await actions.end_key(arguments.prefix)
        print("Ended.")
    else:
        for key in await queries.list_keys():
            used = f"last used {key.last_used_at:%Y-%m-%d %H:%M} UTC" if key.last_used_at else "never used"
            ended = f", ended {key.ended_at:%Y-%m-%d %H:%M} UTC" if key.ended_at else ""
            print(f"{key.prefix}…  {key.label}: {key.scopes}; {used}{ended}")


COMMAND = Command("operator-key", on_database(run), arguments)
