"""The state of a story of deaths: an empty marketplace, and beside it a counterpart of Stripe whose state can be put back."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import uvicorn

from marketplace.core import clock
from marketplace.core.postgres import SUPERUSER, EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.demo.stripe_counterpart.app import create_counterpart
from tests.support.deaths import the_dead_rest
from tests.support.local_stripe import Stripe
from tests.support.reads import fetch_value
from tests.support.saved_state import State
from tests.support.waiting import until


@pytest.fixture
async def saved_state(postgres: EmbeddedPostgres, pool: None, tmp_path: Path) -> AsyncIterator[tuple[State, Stripe]]:
    """Give the test a state that can be put back, in which the dead leave nothing, and the way to steer its Stripe.

    Notes outside stay as they are: a word of the dead may be noted twice.
    """
    del pool
    os.environ["PARTAGE_NOTES"] = str(tmp_path / "notes")
    counterpart = create_counterpart(None, control=True, seed="deaths", read_time=lambda: clock.now().timestamp())
    server = uvicorn.Server(uvicorn.Config(counterpart, port=0, log_level="critical", lifespan="on", ws="none"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    os.environ |= {"STRIPE_API_BASE": address, "STRIPE_WEBHOOK_SECRET": "whsec_of_the_stories"}
    settings.cache_clear()
    name = await fetch_value("SELECT current_database()")
    seen = await State.opened(postgres.url(name, SUPERUSER), counterpart._state)
    try:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(the_dead_rest())
            with httpx.Client(timeout=10) as client:
                yield seen, Stripe(address, client)
    finally:
        await seen.close()
        server.should_exit = True
        await serving
