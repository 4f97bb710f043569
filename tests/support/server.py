"""The tests' own PostgreSQL, with a migrated template that every test's database is copied from."""

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from marketplace.core import database
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings

SERVING = "partage_serving"
"""The role that serves: what `migrate` grants it is all that it may."""
RUNNING = "TESTS_POSTGRES"
"""The environment's name for the folder of a server that another process runs, of whose template databases are copied."""
IN_MEMORY, ROOMY = Path("/dev/shm"), 4 << 30  # noqa: S108 (a folder of our own in it, made by mkdtemp)
"""Copying the template's nine hundred files takes a disk up to a second, and memory a fiftieth of one."""


def as_serving(url: str) -> str:
    """Return the address of a database with the role that serves."""
    return f"{url}&options=-c%20role%3D{SERVING}"


@contextlib.contextmanager
def server_with_template(*, durable: bool = False) -> Iterator[EmbeddedPostgres]:
    """Start the server, or attach to the one that is running; its template is `template`.

    durable: every commit is synced, to the disk.
    """
    if running := os.environ.get(RUNNING):
        with EmbeddedPostgres(Path(running), durable=False) as server:
            yield server
        return
    roomy = not durable and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ROOMY
    folder = Path(tempfile.mkdtemp(prefix="partage-tests-", dir=IN_MEMORY if roomy else None))
    folder.chmod(0o755)
    server = EmbeddedPostgres(folder, durable=durable)
    try:
        with server:
            _make_template(server)
            yield server
    finally:
        for left in {
            folder,
            server.folder,
        }:  # two where the first cannot be reached by the account that runs PostgreSQL
            shutil.rmtree(left, ignore_errors=True)


def _make_template(server: EmbeddedPostgres) -> None:
    server.run_sql("CREATE DATABASE template OWNER partage")
    server.run_sql(f"CREATE ROLE {SERVING}; GRANT {SERVING} TO partage")
    server.run_sql(f"GRANT pg_read_all_stats, pg_signal_backend TO {SERVING}")  # tests look at sessions, and end some
    server.run_sql("GRANT EXECUTE ON FUNCTION pg_stat_file(text, boolean) TO partage", "template")  # for the sweep

    async def prepare() -> None:
        from migrations.runner import migrate  # noqa: PLC0415

        os.environ["PARTAGE_SERVING_ROLE"] = SERVING
        settings.cache_clear()
        await database.open_pool(server.url("template"), size=1)
        await migrate()
        await database.close_pool()
        del os.environ["PARTAGE_SERVING_ROLE"]
        settings.cache_clear()

    asyncio.run(prepare())
