"""What benchmarks share: the command, the size, a marketplace to measure in, the line of a figure, and peers.

A benchmark is a module beside this one with three names: SIZE, the product's; SMALLEST, which still runs every step; and
`main`, which is given its `Run`.
"""

import argparse
import asyncio
import contextlib
import importlib
import itertools
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar
from urllib.parse import urlsplit

from marketplace.core import database
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from tests.support.databases import COPY
from tests.support.ports import free_port
from tests.support.server import server_with_template
from tests.support.waiting import wait_until

Result = TypeVar("Result")

FOLDER = Path(__file__).parent
SITE = """
import sys, uvicorn
from marketplace.site.app import create_app
from marketplace.site.serving.server import configured
uvicorn.Server(configured(create_app(), host="127.0.0.1", port=int(sys.argv[1]), log_level="critical", lifespan="on")).run()
"""
_numbers = itertools.count(1)


def benchmark_names() -> list[str]:
    """Return the benchmarks that there are."""
    return sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line after `bench`."""
    parser = argparse.ArgumentParser(
        "python3 tests bench", description="Run one benchmark, which prints a line a figure."
    )
    parser.add_argument("name", choices=benchmark_names())
    sizes = parser.add_mutually_exclusive_group()
    sizes.add_argument("--size", type=int, help="another size than the product's")
    sizes.add_argument("--smallest", action="store_true", help="the smallest size that runs every step")
    parser.add_argument("--peers", action="store_true", help="run its peers too, each in an environment of its own")
    return parser.parse_args(arguments)


def run_command_line(arguments: Sequence[str]) -> None:
    """Run one benchmark as the command line asks; end with 1 where a bound is not met."""
    asked = read_arguments(arguments)
    module = importlib.import_module(f"tests.benchmarks.{asked.name}")
    run = Run(asked.name, module.SMALLEST if asked.smallest else asked.size or module.SIZE, asked.peers, asked.smallest)
    module.main(run)
    if run.broken:
        sys.exit("\n".join(run.broken))


@dataclass(frozen=True)
class Marketplace:
    """An empty marketplace: its server, a folder for what it stores, and its database."""

    server: EmbeddedPostgres
    folder: Path
    url: str

    def run_sql(self, sql: str) -> str:
        """Run SQL in its database as the superuser."""
        return self.server.run_sql(sql, urlsplit(self.url).path.removeprefix("/"))

    def play(self, story: Callable[[], Awaitable[Result]], *, connections: int = 10) -> Result:
        """Run a story while the database is open, and return what it returns."""
        return play_on_database(self.url, story, connections=connections)


@dataclass(frozen=True)
class Run:
    """One run of a benchmark."""

    name: str
    size: int
    peers: bool
    is_smallest: bool
    broken: list[str] = field(default_factory=list)
    """The bounds that were not met."""

    @property
    def millions(self) -> str:
        """Return the size as figures are called by: 30M."""
        return f"{self.size / 1e6:g}M"

    def figure(self, what: str, ratio: str, against: str) -> None:
        """Print a figure: what is measured, the bare number, and what it was measured against."""
        print(f"{self.name} {what} {ratio} {against}", flush=True)

    def require(self, is_met: object, bound: str) -> None:
        """Have the command fail unless a bound is met; at the smallest size a time says nothing."""
        if not is_met and not self.is_smallest:
            self.broken.append(bound)

    @contextlib.contextmanager
    def marketplace(self, **environment: str) -> Iterator[Marketplace]:
        """Give it an empty marketplace, to which the settings lead, on a server of its own that syncs every commit.

        Where the tests have a server running it is on that one, which does not.
        """
        with tempfile.TemporaryDirectory(prefix=f"partage-{self.name}-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            os.environ |= {"STAFF_SECOND_FACTOR": "0", "PARTAGE_STATE": str(folder / "state")} | environment
            with server_with_template(durable=True) as server, new_database(server) as url:
                os.environ["DATABASE_URL"] = url
                settings.cache_clear()
                yield Marketplace(server, folder, url)


def play_on_database(url: str, story: Callable[[], Awaitable[Result]], *, connections: int = 10) -> Result:
    """Run a story while a database is open, and return what it returns."""

    async def whole() -> Result:
        await database.open_pool(url, size=connections)
        try:
            return await story()
        finally:
            await database.close_pool()

    return asyncio.run(whole())


@contextlib.contextmanager
def new_database(server: EmbeddedPostgres) -> Iterator[str]:
    """Make the database of an empty marketplace; yields its address."""
    name = f"bench_{os.getpid()}_{next(_numbers)}"
    server.run_sql(COPY.format(name=name))
    try:
        yield server.url(name)
    finally:
        server.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


@contextlib.contextmanager
def serving_program(program: str, *arguments: object) -> Iterator[int]:
    """Run a Python program, whose first argument is a free port, until the block ends; yields the port once it listens."""
    port = free_port()

    def listens() -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    with subprocess.Popen([sys.executable, "-c", program, str(port), *map(str, arguments)]) as process:
        try:
            wait_until(listens, 60)
            yield port
        finally:
            process.terminate()


def in_process_apart(work: Callable[..., Result], *given: object) -> tuple[Result, float]:
    """Run a function of a module in a process of its own; return what it returns, and its memory at most, in GB."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *given).result(), pool.submit(peak_gb).result()


def peak_gb() -> float:
    """Return the gigabytes of memory that this process had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "linux" else 1e9)


def remark(text: str) -> None:
    """Print what is no figure."""
    print(f"# {text}", file=sys.stderr, flush=True)


def p99(seconds: Sequence[float]) -> float:
    """Return what all but one in a hundred are at most."""
    return sorted(seconds)[int(len(seconds) * 0.99)]


def least_seconds(work: Callable[[], object], times: int = 3) -> float:
    """Return the least wall-clock time of `times` runs."""
    best = float("inf")
    for _ in range(times):
        start = perf_counter()
        work()
        best = min(best, perf_counter() - start)
    return best


def run_peer_program(package: str, program: str, given: object) -> Any:
    """Install `package` in a fresh environment, run `program` there with `given` as JSON on its input, return its JSON."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", package], check=True)
        process = subprocess.run(
            [python, "-c", program], input=json.dumps(given), stdout=subprocess.PIPE, text=True, check=True
        )
    return json.loads(process.stdout.splitlines()[-1])
