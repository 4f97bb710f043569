"""The site begins and ends as a server asks it to: with it the pool of connections opens and closes."""

import asyncio
import contextlib
from typing import Any

import pytest

from marketplace.core import database
from marketplace.core.settings import settings
from marketplace.site.app import create_app


@pytest.mark.long
@pytest.mark.usefixtures("database_url")
def test_the_pool_is_open_while_the_site_is_served_and_no_sandbox_begins_on_a_database_of_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def begin() -> dict[str, Any]:
        asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        answered: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        site: Any = create_app()
        await asked.put({"type": "lifespan.startup"})
        scope: Any = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        with contextlib.suppress(ExceptionGroup):  # of the one refusal
            await site(scope, asked.get, answered.put)
        return await answered.get()

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

    monkeypatch.setenv("PARTAGE_SANDBOX_OF", "5a" * 32)
    settings.cache_clear()
    failed = asyncio.run(begin())
    assert (failed["type"], "not begun as a sandbox" in failed["message"]) == ("lifespan.startup.failed", True)
    monkeypatch.delenv("PARTAGE_SANDBOX_OF")
    settings.cache_clear()
    assert asyncio.run(serve()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
