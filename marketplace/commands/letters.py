"""`letters`: Activation codes for a mail merge."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database, refuse_the_demos

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "out", type=Path, metavar="OUT.csv", help="the file to write, with the columns reference and code"
    )
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument(
        "--line",
        type=int,
        action="append",
        default=[],
        metavar="REFERENCE",
        help="a new code for this line alone, in place of the one it has; may be repeated",
    )
    whose.add_argument(
        "--holder",
        type=int,
        action="append",
        default=[],
        metavar="REFERENCE",
        help="a code with which the holder of this claimed line gets back in, who lost mailbox and password; may be repeated",
    )
    whose.add_argument(
        "--again", action="store_true", help="new codes too for the lines whose letters were lost or never used"
    )


async def run(arguments: argparse.Namespace) -> None:
    """Write an activation code, once, for each line that has none, as a file for a mail merge; only hashes are kept."""
    from marketplace.subscribers.operators.letters import write_letters
    from marketplace.subscribers.operators.queries import is_any_line_in_force

    done = await write_letters(
        arguments.out, arguments.line or arguments.holder, again=arguments.again, to_holders=bool(arguments.holder)
    )
    if not done.codes and not await is_any_line_in_force():
        print("No letters: no line is known yet. Give the table of lines first: `ingest --subscribers FILE`.")
    elif not done.codes:
        print("No letters: every line in force has its code, or is claimed.")
    elif done.was_finished:
        print(f"{arguments.out} has the {done.codes:,} codes of the run that was stopped. Run it again for more.")
    else:
        print(f"{done.codes:,} codes are in {arguments.out}, and nowhere else.")


COMMAND = Command("letters", on_database(run, before=refuse_the_demos), arguments)
