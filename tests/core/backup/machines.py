"""Another machine for a test: a database and an object store of its own, and the command line that runs on it."""

import contextlib
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path

from marketplace.core import database
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings

_numbers = itertools.count(1)


@contextlib.asynccontextmanager
async def empty_machine(postgres: EmbeddedPostgres, folder: Path) -> AsyncIterator[str]:
    """Go on with an empty database, whose name it gives, and an empty store; the machine of before is back afterwards."""
    name, before = f"machine_{os.getpid()}_{next(_numbers)}", dict(os.environ)
    postgres.run_sql(f"CREATE DATABASE {name} OWNER partage")
    await _go_to({"DATABASE_URL": postgres.url(name), "PARTAGE_STATE": str(folder)})
    try:
        yield name
    finally:
        await _go_to(before)
        postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


async def _go_to(environment: dict[str, str]) -> None:
    await database.close_pool()
    os.environ |= environment
    settings.cache_clear()
    await database.open_pool(settings().database_url)
