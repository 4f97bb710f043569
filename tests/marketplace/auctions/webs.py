"""Real web processes for auction tests: uvicorn serving the whole site against the test's database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Web:
    """One web process."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--factory", "marketplace.app:create_app", "--port", str(self.port),
             "--log-level", "error", "--no-access-log", "--timeout-graceful-shutdown", "1"],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    def wait(self) -> None:
        end = time.monotonic() + 40
        while True:
            try:
                if httpx.get(f"{self.url}/healthz", timeout=2).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert self.process.poll() is None, "the web process died"
            assert time.monotonic() < end, "the web process does not answer"
            time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def web_processes(count: int) -> Iterator[list[Web]]:
    webs = [Web() for _ in range(count)]
    try:
        for web in webs:
            web.wait()
        yield webs
    finally:
        for web in webs:
            web.kill()
