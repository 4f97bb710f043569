"""The site begins and ends as a server asks it to: with it the pool of connections opens and closes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from marketplace import database
from marketplace.app import create_app


@pytest.mark.usefixtures("database_url")
def test_the_pool_is_open_while_the_site_is_served() -> None:
    async def serve() -> list[str]:
        asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        answered: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope: Any = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        site: Any = create_app()
        running: asyncio.Task[None] = asyncio.create_task(site(scope, asked.get, answered.put))
        await asked.put({"type": "lifespan.startup"})
        answers = [(await answered.get())["type"]]
        assert await database.fetch_scalar(int, "SELECT 1") == 1
        await asked.put({"type": "lifespan.shutdown"})
        answers.append((await answered.get())["type"])
        await running
        return answers

    assert asyncio.run(serve()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
