"""Real web processes for auction tests: uvicorn serving the whole site on a port, against the test's database.

They are forked from a server that has imported the site once, so that a test may start dozens of them; killing one is
kill -9 of a process like any other.
"""

import asyncio
import multiprocessing
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from litestar import get

from marketplace.core.settings import settings
from marketplace.demo.seed_sales import NO_CERTIFICATES
from marketplace.sales.auctions.live import hub
from marketplace.site.app import create_app
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ENDS_WITHIN_SECONDS = 5
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


@get("/healthz/inside", sync_to_thread=False, include_in_schema=False)
def inside() -> dict[str, int]:
    """Return what this process holds for its watchers."""
    return {
        "tasks": len(asyncio.all_tasks()),
        "feeds": len(hub().feeds),
        "watchers": sum(feed.watchers for feed in hub().feeds.values()),
        "listeners": int(hub().listener is not None),
        "files": len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0,
    }


def begin_process(environment: dict[str, str], work: Callable[..., None], *given: Any) -> None:
    """Do `work` in a forked process under the given environment."""
    os.environ.clear()
    os.environ.update(environment)
    settings.cache_clear()
    work(*given)


def serve_web(port: int) -> None:
    uvicorn.run(
        create_app(further_routes=[inside]),
        port=port,
        log_level="error",
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )


def fork(work: Callable[..., None], *given: Any, **changes: str) -> Any:
    """Start a process that does `work(*given)` in this one's environment with `changes`."""
    process = PROCESSES.Process(target=begin_process, args=({**os.environ, **changes}, work, *given), daemon=True)
    process.start()
    return process


class Web:
    """One web process."""

    def __init__(self, port: int | None = None, **changes: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = fork(serve_web, self.port, **changes)

    def wait(self) -> None:
        wait_until(self.answers)

    def answers(self) -> bool:
        assert self.process.is_alive(), "the web process died"
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, verify=NO_CERTIFICATES).status_code == 200
        except httpx.HTTPError:
            return False

    def inside(self) -> dict[str, int]:
        """Return what the process holds for its watchers."""
        return dict(httpx.get(f"{self.url}/healthz/inside", timeout=10, verify=NO_CERTIFICATES).json())

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def stop(self) -> None:
        """End it as an operator does, so that what it ran is counted; kill what does not end."""
        self.process.terminate()
        self.process.join(ENDS_WITHIN_SECONDS)
        self.kill()


@contextmanager
def web_processes(count: int) -> Iterator[list[Web]]:
    webs = [Web() for _ in range(count)]
    try:
        for web in webs:
            web.wait()
        yield webs
    finally:
        for web in webs:
            web.stop()
