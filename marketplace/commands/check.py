"""`check`: The invariants, swept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, with_pool

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> int:
    """Sweep the invariants; prints a line an offender and fails if there is one."""

    async def story() -> int:
        from marketplace.invariants import INVARIANTS, broken

        offenders = await broken()
        for line in offenders:
            print(line)
        print(f"{len(INVARIANTS)} invariants swept, {len(offenders)} offenders.")
        return 1 if offenders else 0

    return with_pool(story)


COMMAND = Command("check", run)
