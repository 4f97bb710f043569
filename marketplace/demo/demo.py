"""The one-command demo: every part of Partage in one process, so that stopping it leaves nothing running.

PostgreSQL is a child process whose watchdog stops it when this process dies. The site, the local Stripe counterpart and
the jobs share one event loop. All data is in the state folder.
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
import time
from typing import IO, TYPE_CHECKING, Any

import httpx
import uvicorn

from marketplace.core import clock, database
from marketplace.core.errors import Conflict
from marketplace.core.progress import Progress
from marketplace.core.settings import LOCAL_STRIPE_KEY, settings
from marketplace.demo.einvoicing_platform import DIRECTORY, FLOW, Platform
from marketplace.demo.payee_bank import PATH as VERIFICATION
from marketplace.demo.payee_bank import PayeeBank
from marketplace.demo.seed import seed
from marketplace.demo.seed_auctions import is_sealed_auction_over
from marketplace.demo.seed_calendar import begins_at
from marketplace.demo.seed_payouts import OUR_IBAN, bank_running
from marketplace.demo.seed_people import PEOPLE
from marketplace.demo.stripe_counterpart.app import PAGES, Counterpart, create_counterpart
from marketplace.money.payments.rules import HANDLED_EVENTS, WEBHOOK_PATH
from marketplace.oversight.public_log.queries import current_origin
from marketplace.oversight.public_log.rules import key_of
from marketplace.oversight.public_log.witness import Witness
from marketplace.site.app import create_app
from marketplace.site.jobs.scheduler import ticking
from marketplace.site.serving.server import configured, keep_loaded
from migrations.runner import migrate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from pathlib import Path

    from litestar.types import ASGIApp

    from marketplace.core.postgres import StartedBeside
    from marketplace.demo.seed_cities import CitiesBeside

FIRST_STRIPE_PORT = 8700
FIRST_WITNESS_PORT = 8790
FIRST_PLATFORM_PORT = 8750
PLATFORM_NUMBER = "0099"
QUIETLY: dict[str, Any] = {"log_level": "warning", "timeout_graceful_shutdown": 2}
VISITORS_FIRST_SECONDS = 2
"""How long jobs wait after the site opens: loading their code would delay the first page."""
SHARES_EVERY_SECONDS = "15"
LATE_COMMITS = "&options=-csynchronous_commit%3Doff"
"""A power cut may cost the demo its last second, never its consistency; waiting for the disk would double its first start."""
SEED_WEBHOOK_SECRET = "whsec_seed"  # noqa: S105 (until the site is open and has an endpoint with a secret of its own)


class Server(uvicorn.Server):
    """A uvicorn server that signals when it is up, and leaves the process's signals to its caller."""

    def __init__(self, config: uvicorn.Config) -> None:
        """Start as not up."""
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and signal that the server is up."""
        await super().startup(sockets=sockets)
        self.is_up.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


def run_demo(server: StartedBeside | None, cities: CitiesBeside) -> int:
    """Run until Ctrl-C or SIGTERM. The server and the generation of cities are stopped at the end.

    server: the database's; None if DATABASE_URL names one.
    """
    state = settings().state
    state.mkdir(parents=True, exist_ok=True)
    with (
        cities,
        server or contextlib.nullcontext() as database_server,
        _exclusive(state),
        contextlib.ExitStack() as stack,
    ):
        site = stack.enter_context(free_port(settings().host, settings().port))
        stripe = stack.enter_context(free_port("127.0.0.1", FIRST_STRIPE_PORT))
        platform = stack.enter_context(free_port("127.0.0.1", FIRST_PLATFORM_PORT))
        einvoicing = f"http://127.0.0.1:{port_of(platform)}"
        chosen = {
            "PORT": str(port_of(site)),
            "STRIPE_API_BASE": f"http://127.0.0.1:{port_of(stripe)}",
            "STRIPE_API_KEY": LOCAL_STRIPE_KEY,
            "STRIPE_WEBHOOK_SECRET": SEED_WEBHOOK_SECRET,
            "EINVOICING_FLOW_URL": einvoicing + FLOW,
            "EINVOICING_DIRECTORY_URL": einvoicing + DIRECTORY,
            "EINVOICING_PLATFORM": PLATFORM_NUMBER,
            "PARTAGE_ONE_CLICK": "0" if settings().sandbox_of else "1",
            "SMTP_URL": settings().smtp_url or (state / "mail").resolve().as_uri(),
            "PAYOUT_IBAN": settings().payout_iban or OUR_IBAN,
            "PAYOUT_THRESHOLD_MINOR": os.environ.get("PAYOUT_THRESHOLD_MINOR", "1"),
            "SHARES_EVERY_SECONDS": os.environ.get("SHARES_EVERY_SECONDS", SHARES_EVERY_SECONDS),
        }
        if database_server:
            chosen["DATABASE_URL"] = database_server.url() + LATE_COMMITS
        os.environ.update(chosen)
        settings.cache_clear()
        (state / "demo.json").write_text(json.dumps({"url": settings().url, "stripe": settings().stripe_url}))
        asyncio.run(_run(site, stripe, platform, cities))
    return 0


async def _run(site: socket.socket, stripe: socket.socket, platform: socket.socket, cities: CitiesBeside) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await database.open_pool(settings().database_url)
    try:
        with Progress() as progress, contextlib.ExitStack() as past:
            progress("migrating the database", 0.02)
            await migrate()
            if (
                not await is_sealed_auction_over()
            ):  # the counterpart must not see the present either before the history is made
                past.enter_context(clock.started_at(begins_at(cities.now)))
            running = counterpart_running(settings().state / "stripe.db", stripe, read_time=_read_time)
            async with running as counterpart:
                if await _run_unless_stopped(seed(cities, progress, past.close), stop):
                    progress("opening the site", 1.0)
                    witnesses = witnesses_running(settings().state)
                    opened = site_running(site, counterpart)
                    async with (
                        _platform_running(platform),
                        opened,
                        witnesses,
                        ticking(after_seconds=VISITORS_FIRST_SECONDS),
                        bank_running(),
                    ):
                        keep_loaded()
                        _print_welcome()
                        await stop.wait()
    finally:
        await database.close_pool()


async def _run_unless_stopped(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Run the work, or cancel it when `stop` is set; return whether it finished."""
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
async def counterpart_running(
    path: Path | None,
    listener: socket.socket,
    *,
    control: bool = False,
    read_time: Callable[[], float] = time.time,
) -> AsyncIterator[Counterpart]:
    """Run the local Stripe counterpart in this event loop, and yield it; `path` None keeps its state in memory.

    A sandbox's partners are on other machines: its pages are under the site's address, see `site_running`. read_time:
    the counterpart's clock, in Unix seconds.
    """
    pages_at = settings().url if settings().sandbox_of else ""
    counterpart = create_counterpart(path, control=control, daily_payouts=True, read_time=read_time, pages_at=pages_at)
    async with _serving(uvicorn.Config(counterpart, access_log=False, **QUIETLY), listener):
        yield counterpart


@contextlib.asynccontextmanager
async def _platform_running(listener: socket.socket) -> AsyncIterator[None]:
    """Run the local e-invoicing platform, and the bank that verifies names, in this event loop."""
    platform, bank = Platform(), PayeeBank(has_chance=True)

    async def both(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI)
        await (bank if scope["path"] == VERIFICATION else platform)(scope, receive, send)

    async with _serving(uvicorn.Config(both, access_log=False, lifespan="off", **QUIETLY), listener):
        os.environ["VOP_URL"] = f"http://127.0.0.1:{port_of(listener)}{VERIFICATION}"
        settings.cache_clear()
        yield


def _read_time() -> float:
    return clock.now().timestamp()


@contextlib.asynccontextmanager
async def site_running(listener: socket.socket, counterpart: Counterpart | None = None) -> AsyncIterator[None]:
    """Run the site, registered as the counterpart's only webhook endpoint.

    A sandbox's serves the counterpart's pages too.
    """
    async with httpx.AsyncClient(base_url=settings().stripe_url, auth=(LOCAL_STRIPE_KEY, "")) as stripe:
        known = (await stripe.get("/v1/webhook_endpoints", params={"limit": 100})).raise_for_status().json()["data"]
        for endpoint in known:
            (await stripe.delete(f"/v1/webhook_endpoints/{endpoint['id']}")).raise_for_status()
        address = f"http://{settings().host}:{settings().port}{WEBHOOK_PATH}"
        types = {f"enabled_events[{at}]": event_type for at, event_type in enumerate(HANDLED_EVENTS)}
        made = await stripe.post("/v1/webhook_endpoints", data={"url": address} | types)
        os.environ["STRIPE_WEBHOOK_SECRET"] = made.raise_for_status().json()["secret"]
    settings.cache_clear()
    site = create_app(manages_pool=False)
    app = _with_pages(site, counterpart) if counterpart and settings().sandbox_of else site
    async with _serving(configured(app, **QUIETLY), listener):
        yield


def _with_pages(site: ASGIApp, counterpart: Counterpart) -> ASGIApp:
    """Return the site with the counterpart's hosted pages under its own address, and nothing else of it."""

    async def both(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 (ASGI)
        is_page = scope["type"] == "http" and scope["path"].startswith(PAGES)
        await (counterpart if is_page else site)(scope, receive, send)

    return both


@contextlib.asynccontextmanager
async def witnesses_running(state: Path) -> AsyncIterator[None]:
    """Run two witnesses of the public log, each with its own key and memory, and register them with the log."""
    key = key_of(await current_origin(), settings().log_key)
    listed = []
    async with contextlib.AsyncExitStack() as stack:
        for number in (1, 2):
            listener = stack.enter_context(free_port("127.0.0.1", FIRST_WITNESS_PORT + number))
            witness = Witness(state / "witnesses" / str(number), f"witness-{number}.demo", key)
            config = uvicorn.Config(witness, lifespan="off", access_log=False, **QUIETLY)
            await stack.enter_async_context(_serving(config, listener))
            listed.append(f"{witness.key} http://127.0.0.1:{port_of(listener)}")
        os.environ["PARTAGE_LOG_WITNESSES"] = ", ".join(listed)
        settings.cache_clear()
        yield


@contextlib.asynccontextmanager
async def _serving(config: uvicorn.Config, listener: socket.socket) -> AsyncIterator[None]:
    server = Server(config)
    running, up = asyncio.create_task(server.serve(sockets=[listener])), asyncio.create_task(server.is_up.wait())
    await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
    up.cancel()
    try:
        yield
    finally:
        server.should_exit = True
        await running


def _print_welcome() -> None:
    print(f"\nPartage is at {settings().url}  (Ctrl-C stops it; all data is in {settings().state})\n")
    if settings().sandbox_of:
        print("Partners enter by a pass of their site. Its own people sign in as:")
    else:
        print(f"A guided tour, for each kind of person, begins at {settings().url}/demo/tour")
        print(f"Letters it sends can be read at {settings().url}/demo/mail\n")
        print("Sign in with one click on the page, or as:")
    for person in PEOPLE:
        print(f"  {person.role:<14} {person.email:<34} {person.password}")
    print(flush=True)


@contextlib.contextmanager
def _exclusive(state: Path) -> Iterator[None]:
    """Lock the state folder for this process; refuse if another demo has locked it."""
    with (state / "demo.lock").open("a+") as lock:
        _lock(lock, state)
        yield


def _lock(lock: IO[str], state: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        address = json.loads((state / "demo.json").read_text())["url"] if (state / "demo.json").exists() else "starting"
        raise Conflict("The demo of this folder already runs: {address}.", address=address) from None


def free_port(host: str, wanted: int) -> socket.socket:
    """Listen on `wanted` or the next free port, and print which; the port is reserved from then on."""
    for port in range(wanted, wanted + 100):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(2048)
        except OSError:
            listener.close()
            continue
        if port != wanted:
            print(f"Port {wanted} is taken; using {port}.", file=sys.stderr)
        return listener
    raise Conflict("No free port from {first} to {last}.", first=wanted, last=wanted + 99)


def port_of(listener: socket.socket) -> int:
    """Return the port a socket listens on."""
    return int(listener.getsockname()[1])
