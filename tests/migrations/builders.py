"""Databases of a test's own."""

import asyncio
from collections.abc import Callable
from typing import Any

from marketplace.core import database
from marketplace.core.postgres import EmbeddedPostgres


def in_database(url: str, story: Callable[[], Any]) -> Any:
    """Run a story with a pool on this database, in a loop of its own."""

    async def whole() -> Any:
        await database.open_pool(url)
        try:
            return await story()
        finally:
            await database.close_pool()

    return asyncio.run(whole())


def in_new_database(postgres: EmbeddedPostgres, name: str, story: Callable[[], Any]) -> Any:
    postgres.run_sql(f"CREATE DATABASE {name} OWNER partage")
    try:
        return in_database(postgres.url(name), story)
    finally:
        postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")
