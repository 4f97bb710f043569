"""The one-command demo: every part of Partage in this one process, so that stopping it leaves nothing running.

PostgreSQL is a child whose watchdog stops it when this process dies; the site, the local Stripe counterpart and the
jobs share one event loop. Everything worth keeping is in the state folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
from typing import IO, TYPE_CHECKING, Any

import httpx
import uvicorn

from marketplace import database
from marketplace.app import create_app
from marketplace.embedded.postgres import EmbeddedPostgres
from marketplace.embedded.progress import Progress
from marketplace.embedded.stripe_counterpart.app import create_counterpart
from marketplace.embedded.world import PEOPLE, make_world
from marketplace.errors import Conflict
from marketplace.jobs import start, stop_ticking
from marketplace.settings import LOCAL_STRIPE_KEY, settings
from migrations.runner import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Iterator
    from pathlib import Path

FIRST_STRIPE_PORT = 8700
SHARES_EVERY_SECONDS = "15"


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


def run_demo() -> int:
    """Run until Ctrl-C or SIGTERM."""
    state = settings().state
    state.mkdir(parents=True, exist_ok=True)
    with _only_one(state), contextlib.ExitStack() as parts:
        site_port = free_port(settings().host, settings().port)
        stripe_port = free_port("127.0.0.1", FIRST_STRIPE_PORT)
        chosen = {
            "PORT": str(site_port),
            "STRIPE_API_BASE": f"http://127.0.0.1:{stripe_port}",
            "STRIPE_API_KEY": LOCAL_STRIPE_KEY,
            "PARTAGE_ONE_CLICK": "1",
            "SHARES_EVERY_SECONDS": os.environ.get("SHARES_EVERY_SECONDS", SHARES_EVERY_SECONDS),
        }
        if not settings().database_url:
            chosen["DATABASE_URL"] = parts.enter_context(EmbeddedPostgres(state)).url()
        os.environ.update(chosen)
        settings.cache_clear()
        (state / "demo.json").write_text(json.dumps({"url": settings().url, "stripe": settings().stripe_url}))
        asyncio.run(_run(stripe_port))
    return 0


async def _run(stripe_port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await database.open_pool(settings().database_url)
    try:
        with Progress() as progress:
            progress("bringing the database up to date", 0.02)
            await migrate()
            async with counterpart_running(settings().state / "stripe.db", stripe_port):
                if await _unless_stopped(make_world(settings().state, progress), stop):
                    progress("opening the site", 1.0)
                    async with site_running():
                        scheduler = start()
                        _say_hello()
                        await stop.wait()
                        await stop_ticking(scheduler)
    finally:
        await database.close_pool()


async def _unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Do the work; give it up when `stop` is set first, and tell whether it was done."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
        return True
    return False


@contextlib.asynccontextmanager
async def counterpart_running(path: Path | None, port: int, *, control: bool = False) -> AsyncIterator[None]:
    """Run the local Stripe counterpart on `port` in this event loop; `path` None keeps its state in memory."""
    async with _serving(create_counterpart(path, control=control, daily_payouts=True), "127.0.0.1", port):
        yield


@contextlib.asynccontextmanager
async def site_running() -> AsyncIterator[None]:
    """Run the site at the settings' address, with the counterpart's webhooks sent to it and nowhere else."""
    async with httpx.AsyncClient(base_url=settings().stripe_url, auth=(LOCAL_STRIPE_KEY, "")) as stripe:
        known = (await stripe.get("/v1/webhook_endpoints", params={"limit": 100})).raise_for_status().json()["data"]
        for endpoint in known:
            (await stripe.delete(f"/v1/webhook_endpoints/{endpoint['id']}")).raise_for_status()
        address = f"http://{settings().host}:{settings().port}/webhooks/stripe"
        made = await stripe.post("/v1/webhook_endpoints", data={"url": address, "enabled_events[0]": "*"})
        os.environ["STRIPE_WEBHOOK_SECRET"] = made.raise_for_status().json()["secret"]
    settings.cache_clear()
    async with _serving(create_app(manages_pool=False), settings().host, settings().port):
        yield


@contextlib.asynccontextmanager
async def _serving(app: Any, host: str, port: int) -> AsyncIterator[None]:  # noqa: ANN401 (ASGI has several spellings)
    server = Server(
        uvicorn.Config(app, host=host, port=port, access_log=False, log_level="warning", timeout_graceful_shutdown=2)
    )
    running = asyncio.create_task(server.serve())
    while not server.started:
        if running.done():
            await running
            raise Conflict("A server could not start on {host}:{port}; its reason is above.", host=host, port=port)
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        await running


def _say_hello() -> None:
    print(f"\nPartage is at {settings().url}  (Ctrl-C stops it; everything is kept in {settings().state})\n")
    print("Sign in with one click on the page, or as:")
    for person in PEOPLE:
        print(f"  {person.role:<14} {person.email:<34} {person.password}")
    print(flush=True)


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Hold the state folder for this process; refuse when another demo has it."""
    with (state / "demo.lock").open("a+") as lock:
        _hold(lock, state)
        yield


def _hold(lock: IO[str], state: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        address = json.loads((state / "demo.json").read_text())["url"] if (state / "demo.json").exists() else "starting"
        raise Conflict("The demo of this folder already runs: {address}.", address=address) from None


def free_port(host: str, wanted: int) -> int:
    """Return `wanted` or the next free port after it, and say so when it is taken."""
    for port in range(wanted, wanted + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
        if port != wanted:
            print(f"Port {wanted} is taken; using {port}.", file=sys.stderr)
        return port
    raise Conflict("No free port from {first} to {last}.", first=wanted, last=wanted + 99)
