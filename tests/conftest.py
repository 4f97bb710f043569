"""What database tests share: one embedded server a run, one fresh migrated database a test, invariants swept at the end."""

from __future__ import annotations

import asyncio
import gc
import inspect
import itertools
import os
import re
import sys
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from marketplace import database
from marketplace.__main__ import log_plainly
from marketplace.embedded.postgres import SUPERUSER
from marketplace.serving.server import keep_loaded
from marketplace.settings import settings
from tests.support.entry_kinds import register_test_kinds
from tests.support.rows import check_rows
from tests.support.server import as_serving, server_with_template

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from marketplace.embedded.postgres import EmbeddedPostgres

database.row_check = check_rows
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
def accounts(postgres: EmbeddedPostgres, administer: Callable[[str], str]) -> str:
    """Return a digest of the accounts that a new marketplace has."""
    name = f"accounts_{os.getpid()}"
    administer(COPY.format(name=name))
    digest = postgres.run_sql(ACCOUNTS, name)
    administer(f"DROP DATABASE {name}")
    return digest


@pytest.fixture
def registries() -> Iterator[pytest.MonkeyPatch]:
    """Return what a test adds to registries with: it stays listed until the invariants were swept."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture
def database_url(
    *,
    postgres: EmbeddedPostgres,
    administer: Callable[[str], str],
    accounts: str,
    tmp_path: Path,
    registries: pytest.MonkeyPatch,  # noqa: ARG001 (undone after the sweep)
    request: pytest.FixtureRequest,
) -> Iterator[str]:
    """Give the test an empty marketplace of its own; afterwards every invariant must hold.

    It is connected as the role that serves, which owns nothing, unless it is marked `owner` with the reason.
    """
    name = f"test_{os.getpid()}_{next(_numbers)}"
    administer(COPY.format(name=name))
    before = dict(os.environ)
    url = postgres.url(name) if request.node.get_closest_marker("owner") else as_serving(postgres.url(name))
    os.environ |= {"DATABASE_URL": url, "PARTAGE_STATE": str(tmp_path / "state"), "VIES_URL": ""}
    os.environ["STAFF_SECOND_FACTOR"] = "0"  # tests of second factors and of `serve` set it
    settings.cache_clear()
    try:
        yield url
        asyncio.run(_sweep(postgres.url(name), accounts))
    finally:
        os.environ.clear()
        os.environ |= before
        settings.cache_clear()
        administer(f"DROP DATABASE {name} WITH (FORCE)")


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


COPY = "CREATE DATABASE {name} TEMPLATE template OWNER partage STRATEGY FILE_COPY"
ACCOUNTS = "SELECT md5(string_agg(account::text, ' ' ORDER BY code)) FROM account"
"""The one table that is not empty in the template, besides that of the migrations."""
FILLED = """SELECT relname, relkind = 'r' AND coalesce(file.size, 0) = 0 AS is_empty
    FROM pg_class LEFT JOIN pg_stat_file(pg_relation_filepath(oid), true) AS file ON relkind = 'r'
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
    UNION ALL SELECT proname, false FROM pg_proc WHERE pronamespace = 'public'::regnamespace"""
"""Tables, which are empty as long as their file is, views and functions."""


async def _sweep(url: str, accounts: str) -> None:
    """Refuse offenders of any invariant; one that reads tables alone which are as in the template has the answer it has there."""
    from marketplace.invariants import INVARIANTS, broken  # noqa: PLC0415

    await database.open_pool(url, size=1)
    try:
        assert database.DB.pool
        is_new: dict[str, bool] = dict(await database.DB.pool.fetch(FILLED))
        is_new["account"] = await database.DB.pool.fetchval(ACCOUNTS) == accounts
        asked = {}
        for sentence, invariant in INVARIANTS.items():
            read = [name for name in re.findall(r"\w+", invariant.sql) if name in is_new]
            if not read or not all(is_new[name] for name in read):
                asked[sentence] = invariant
        assert await broken(asked) == []
    finally:
        await database.close_pool()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run async tests on asyncio, each in a loop of its own."""
    return "asyncio"


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


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[None]:
    """Keep the pool open in the loop of the test."""
    await database.open_pool(database_url)
    yield
    await database.close_pool()
