"""What tests of money share: the local Stripe counterpart as a process, and the site's webhooks on a port."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from marketplace.core.settings import settings
from marketplace.demo.seed_sales import NO_CERTIFICATES
from tests.support.sites import the_site
from tests.support.waiting import until

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stripe:
    """The counterpart's address, and its control plane."""

    url: str
    client: httpx.Client

    def test(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Steer it; refuse to go on when it refuses."""
        answer = self.client.post(f"{self.url}/_test/{verb}", json=fields)
        answer.raise_for_status()
        return dict(answer.json())

    def list(self, what: str) -> list[dict[str, Any]]:
        """Return up to a hundred of its objects, newest first, as they travel."""
        headers = {"authorization": f"Bearer {settings().stripe_key}"}
        return list(self.client.get(f"{self.url}/v1/{what}?limit=100", headers=headers).json()["data"])

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        """Do something at Stripe that the marketplace did not ask for, as from its dashboard."""
        headers = {"authorization": f"Bearer {settings().stripe_key}"}
        answer = self.client.post(f"{self.url}/v1/{path}", data=fields, headers=headers)
        answer.raise_for_status()
        return dict(answer.json())


@pytest.fixture(scope="session")
def counterpart() -> Iterator[str]:
    """Start one counterpart for the run and return its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "marketplace.demo.stripe_counterpart", "--port", "0", "--control"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    with process.stdout:
        line = process.stdout.readline()
        assert line.startswith("listening on http"), line
        yield line.split()[-1]
        process.terminate()
        process.wait()


@pytest.fixture
def stripe(counterpart: str, database_url: str) -> Iterator[Stripe]:
    """Give the test an empty Stripe beside its empty marketplace."""
    del database_url
    os.environ |= {"STRIPE_API_BASE": counterpart}
    settings.cache_clear()
    with httpx.Client(timeout=10, verify=NO_CERTIFICATES) as client:
        there = Stripe(counterpart, client)
        there.test("reset")
        yield there


@pytest.fixture
def site(stripe: Stripe) -> Callable[[], contextlib.AbstractAsyncContextManager[str]]:
    """Let the test serve the site in an `async with`, whose name is the address."""
    return lambda: _serving(stripe)


@contextlib.asynccontextmanager
async def _serving(stripe: Stripe) -> AsyncIterator[str]:
    """Serve the site on a port of its own, known to Stripe as a webhook endpoint; its address."""
    server = uvicorn.Server(uvicorn.Config(the_site(), port=0, log_level="critical", lifespan="off", ws="none"))
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    made = await asyncio.to_thread(
        stripe.post, "webhook_endpoints", **{"url": f"{address}/webhooks/stripe", "enabled_events[]": "*"}
    )
    os.environ["STRIPE_WEBHOOK_SECRET"] = made["secret"]
    settings.cache_clear()
    try:
        yield address
    finally:
        await asyncio.to_thread(stripe.test, "fault", kind="webhooks", pause=True)
        server.should_exit = True
        await serving
