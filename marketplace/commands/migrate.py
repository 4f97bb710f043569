"""`migrate`: The schema, brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from marketplace.commands.command import Command, with_pool

if TYPE_CHECKING:
    import argparse

    from migrations.plan import State, Step


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add its arguments."""
    parser.add_argument(
        "--plan", action="store_true", help="change nothing; list what would run, which tables it locks and what waits"
    )


def run(arguments: argparse.Namespace) -> int:
    """Bring the database up to date; with --plan, only list the statements, their locks and what waits for them."""
    if arguments.plan:
        return _plan()

    async def story() -> int:
        from marketplace.core.backup.servers import note_first_server
        from marketplace.core.backup.unfinished import refuse_unfinished
        from migrations.runner import migrate as run_migrations

        await refuse_unfinished()
        done = await run_migrations()
        await note_first_server()
        if done:
            print(
                f"{len(done)} {'migration is' if len(done) == 1 else 'migrations are'} done, the last one {done[-1]}."
            )
        print("The database is up to date." if done else "Nothing was pending: the database is up to date.")
        return 0

    return with_pool(story)


def _plan() -> int:
    """Read the migrations of the real database, and on an empty server of our own the locks of the pending ones."""
    import asyncio
    import tempfile
    from pathlib import Path

    from marketplace.core import database
    from marketplace.core.postgres import EmbeddedPostgres
    from migrations.plan import find_state, list_sizes, measure

    found: list[State] = []
    sizes: dict[str, int] = {}

    async def ask() -> int:
        found.append(await find_state())
        sizes.update(await list_sizes())
        return 0

    async def try_out(url: str) -> list[Step]:
        await database.open_pool(url, size=1)
        try:
            return await measure(found[0])
        finally:
            await database.close_pool()

    with_pool(ask)
    if not found[0].applies_functions:
        print("Nothing is pending.")
        return 0
    with tempfile.TemporaryDirectory(prefix="partage-plan-") as folder:
        Path(folder).chmod(0o755)
        with EmbeddedPostgres(Path(folder), durable=False) as server:
            steps = asyncio.run(try_out(server.url()))
    _print_steps(steps, sizes)
    return 0


def _print_steps(steps: list[Step], sizes: dict[str, int]) -> None:
    from textwrap import shorten

    from migrations.plan import WAITS
    from migrations.runner import ATTEMPTS, LOCK_TIMEOUT

    title = ""
    for step in steps:
        if step.migration != title:
            title = step.migration
            print(title)
        if step.statement != title:
            print(f"  {shorten(step.statement, 200, placeholder=' …')}")
        for mode in WAITS:
            names = [
                lock.table + (f" (about {sizes[lock.table]:,} rows)" if lock.table in sizes else "")
                for lock in step.locks
                if lock.mode == mode
            ]
            if names:
                print(f"    {mode.removesuffix('Lock')} lock, so {WAITS[mode]}: {', '.join(names)}")
    print(
        f"All of it is one transaction, and a lock lasts until its end. A statement that does not get its lock within "
        f"{LOCK_TIMEOUT} rolls everything back; {ATTEMPTS} attempts are made."
    )


COMMAND = Command("migrate", run, arguments)
