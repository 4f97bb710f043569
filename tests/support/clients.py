"""Clients of partners, each in an environment of its own that holds nothing else, and the site as they reach it."""

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import uvicorn

from marketplace.core.settings import settings
from marketplace.site.serving.server import configured
from tests.support.ports import free_port
from tests.support.sites import the_site
from tests.support.waiting import until

SECONDS = 240


@functools.cache
def environment(*packages: str) -> Path:
    """Return the Python of a new environment with these packages and what they need; the same again for the same ones."""
    folder = Path(tempfile.mkdtemp(prefix="partage-client-"))
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-compile"]
    subprocess.run([*install, "--disable-pip-version-check", *packages], check=True)
    return python


async def run(python: Path, program: str, *arguments: str, folder: Path) -> str:
    """Run a program in an environment and return what it printed; its error is this test's."""
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    process = await asyncio.create_subprocess_exec(
        python,
        "-c",
        program,
        *arguments,
        cwd=folder,
        env=plain,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), SECONDS)
    assert process.returncode == 0, err.decode()[-3000:]
    return out.decode()


@contextlib.asynccontextmanager
async def serving_site() -> AsyncIterator[str]:
    """Serve the site on a free port, as `serve` does, and yield its address."""
    port = free_port()
    before = os.environ.get("PARTAGE_URL")
    os.environ["PARTAGE_URL"] = f"http://127.0.0.1:{port}"
    settings.cache_clear()
    config = configured(the_site(), port=port, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield settings().url
    finally:
        server.should_exit = True
        await running
        if before is None:
            del os.environ["PARTAGE_URL"]
        else:
            os.environ["PARTAGE_URL"] = before
        settings.cache_clear()
