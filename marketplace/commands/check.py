"""`check`: The invariants, swept, and the object store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, on_database

if TYPE_CHECKING:
    import argparse


async def run(_: argparse.Namespace) -> int:
    """Sweep the invariants and look at the object store; prints a line an offender and fails if there is one."""
    from marketplace.oversight.invariants import INVARIANTS, broken
    from marketplace.site.health.published_objects import find_fault

    offenders = await broken()
    for line in offenders:
        print(line)
    if fault := await find_fault():
        print(fault)
    print(f"{len(INVARIANTS)} invariants swept, {len(offenders)} offenders.")
    return 1 if offenders or fault else 0


COMMAND = Command("check", on_database(run))
