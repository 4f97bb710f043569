"""Bring a database up to date: every pending migration and its record in one transaction, under one lock.

Safe with any number of processes starting at once; a statement that cannot get its table lock in ten seconds fails the
whole run rather than queueing the site behind it.
"""

from __future__ import annotations

import contextlib
import io
import os

from marketplace.database import execute, lock, transaction

LOCK_TIMEOUT = "10s"


async def migrate() -> str:
    """Run what is pending and return the runner's words; the pool must be open."""
    os.environ["PICCOLO_CONF"] = "migrations.piccolo_conf"
    from piccolo.apps.migrations.commands.forwards import run_forwards  # noqa: PLC0415 (reads PICCOLO_CONF at import)

    said = io.StringIO()
    async with transaction():
        await lock("migrations")
        await execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        with contextlib.redirect_stdout(said):
            result = await run_forwards("partage")
        if not result.success:
            raise RuntimeError(result.message)
    return said.getvalue()
