"""An empty marketplace in the place of the one that a test has, so that the same is played twice from the beginning."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from marketplace import database
from marketplace.settings import settings
from tests.support.reads import fetch_value

if TYPE_CHECKING:
    from pathlib import Path

    from marketplace.embedded.postgres import EmbeddedPostgres


async def empty(postgres: EmbeddedPostgres, database_url: str, folder: Path) -> None:
    """Begin again with an empty marketplace at the same address, and other objects beside it."""
    name = await fetch_value("SELECT current_database()")
    await database.close_pool()
    for statement in (
        f"DROP DATABASE {name} WITH (FORCE)",
        f"CREATE DATABASE {name} TEMPLATE template OWNER partage STRATEGY FILE_COPY",
    ):
        await asyncio.to_thread(postgres.run_sql, statement)
    os.environ["PARTAGE_STATE"] = str(folder)
    settings.cache_clear()
    await database.open_pool(database_url)
