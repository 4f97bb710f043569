"""What database tests share: one embedded server a run, one fresh migrated database a test, invariants swept at the end."""

import asyncio
import gc
import inspect
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from argon2 import PasswordHasher

from marketplace.__main__ import log_plainly
from marketplace.core import database
from marketplace.core.postgres import SUPERUSER, EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.people.identity import passwords
from marketplace.site.serving.server import keep_loaded
from tests.support.databases import COPY, SharedDatabase
from tests.support.entry_kinds import register_test_kinds
from tests.support.kept import KEPT
from tests.support.kept_pool import OF_TEST, KeptPool
from tests.support.local_stripe import counterpart, site, stripe  # noqa: F401 (fixtures of all districts)
from tests.support.rows import check_rows
from tests.support.server import as_serving, server_with_template
from tests.support.wheel import installed, released  # noqa: F401 (fixtures of the wheel's and the client's tests)

database.row_check = check_rows
passwords.HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # production's takes a tenth of a second
log_plainly()
register_test_kinds()
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """Return the run's own PostgreSQL, with a migrated template that every test's database is copied from."""
    with server_with_template() as server:
        yield server


@pytest.fixture(scope="session")
def administer(postgres: EmbeddedPostgres) -> Iterator[Callable[[str], str]]:
    """Run SQL as the superuser, on one connection: a program for each of two statements a test takes a tenth of its time."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(postgres.url("postgres", SUPERUSER)))
        yield lambda sql: runner.run(connection.execute(sql))
        runner.run(connection.close())


@pytest.fixture(scope="session")
def shared_database(postgres: EmbeddedPostgres) -> Iterator[SharedDatabase]:
    """Return the database that this worker's tests share."""
    with asyncio.Runner() as runner:
        database_ = SharedDatabase(postgres, runner)
        yield database_
        database_.drop()


@pytest.fixture
def registries() -> Iterator[pytest.MonkeyPatch]:
    """Return what a test adds to registries with: it stays listed until the invariants were swept."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture
def database_url(
    *,
    postgres: EmbeddedPostgres,
    shared_database: SharedDatabase,
    tmp_path: Path,
    registries: pytest.MonkeyPatch,  # noqa: ARG001 (undone after the sweep)
    kept_pool: KeptPool,
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """Give the test an empty marketplace; afterwards every invariant must hold.

    It is connected as the role that serves, which owns nothing, unless it is marked `owner` with the reason.
    """
    name = shared_database.make()
    before = dict(os.environ)
    url = postgres.url(name) if request.node.get_closest_marker("owner") else as_serving(postgres.url(name))
    url = f"{url}{OF_TEST}{next(_numbers)}"  # what a process keeps of a database it keeps by the address
    os.environ |= {"DATABASE_URL": url, "PARTAGE_STATE": str(tmp_path / "state"), "VIES_URL": ""}
    os.environ["STAFF_SECOND_FACTOR"] = "0"  # tests of second factors and of `serve` set it
    settings.cache_clear()
    try:
        yield url
        assert shared_database.list_offenders() == []
    finally:
        os.environ.clear()
        os.environ |= before
        settings.cache_clear()
        shared_database.empty(kept_pool.list_backends())


@pytest.fixture
def apart(postgres: EmbeddedPostgres, administer: Callable[[str], str]) -> Iterator[Callable[[Callable[[], Any]], Any]]:
    """Run async functions, each against an empty marketplace of its own that is not swept: what they load leaves much out."""
    names = []

    def runner(story: Callable[[], Any]) -> None:
        name = f"apart_{os.getpid()}_{next(_numbers)}"
        names.append(name)
        administer(COPY.format(name=name))

        async def whole() -> None:
            await database.open_pool(postgres.url(name))
            try:
                await story()
            finally:
                await database.close_pool()

        asyncio.run(whole())

    yield runner
    for name in names:
        administer(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, each in a loop of its own."""
    return "asyncio"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave files without a long or deep test out of a run of those: to import them all takes each worker half a minute."""
    mark = config.option.markexpr.partition(" ")[0]
    if mark in ("long", "deep") and collection_path.name.startswith("test_"):
        return f"mark.{mark}" not in collection_path.read_text(encoding="utf-8") or None
    return None


def pytest_pycollect_makeitem(name: str, obj: object) -> None:
    """Let every async test run against a marketplace of its own, without asking for it."""
    test = getattr(getattr(obj, "hypothesis", None), "inner_test", obj)
    if name.startswith("test_") and inspect.iscoroutinefunction(test):
        pytest.mark.usefixtures("pool")(obj)  # type: ignore[call-overload]


def pytest_collection_finish() -> None:
    """Have the collector skip what is loaded, and come seldom: going through it takes a worker a twentieth of its time."""
    keep_loaded()
    gc.set_threshold(10_000, 20, 20)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Print the name of what fails at once: a run that is stopped before its end has said it."""
    if report.failed and "PYTEST_XDIST_WORKER" not in os.environ:
        print(f"\nFAILED {report.nodeid} ({report.when})", file=sys.__stderr__, flush=True)


@pytest.fixture(scope="session")
def kept_pool() -> KeptPool:
    """Return the pool that one test hands on to the next."""
    return KeptPool()


@pytest.fixture(scope="session")
async def one_loop(kept_pool: KeptPool) -> AsyncIterator[None]:
    """Have all async tests run in one loop, so that they can share a pool and a browser."""
    yield
    await KEPT.aclose()
    await kept_pool.close()


@pytest.fixture
async def pool(database_url: str, one_loop: None, kept_pool: KeptPool) -> AsyncIterator[None]:  # noqa: ARG001
    """Keep a pool open in the loop of the test."""
    await kept_pool.attach(database_url)
    yield
    await kept_pool.detach()


@pytest.fixture
def lavish_year(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Allow a subscriber's year so much loss that a build may publish counts almost as they are."""
    monkeypatch.setenv("SUBSCRIBER_YEAR_EPSILON_MICRO", "100000000000")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()
