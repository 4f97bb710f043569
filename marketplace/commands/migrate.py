"""`migrate`: The schema, brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, with_pool

if TYPE_CHECKING:
    import argparse


def run(_: argparse.Namespace) -> int:
    """Bring the database up to date."""

    async def story() -> int:
        from migrations.runner import migrate as run_migrations

        print(await run_migrations(), end="")
        return 0

    return with_pool(story)


COMMAND = Command("migrate", run)
