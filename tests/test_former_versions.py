"""Upgrade without closing: while `migrate` changes the schema, the site of a former version goes on selling.

A version is the last commit before a migration came, for each migration since the initial schema was frozen. Its own code
makes its schema, its shop and its site; this version's code migrates beneath it. The newest twelve are asked each time,
of those before each fourth, others on the next day: all within four days. `FORMER_VERSIONS=all` asks every one.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from marketplace import database
from marketplace.database import fetch_scalar
from marketplace.invariants import broken
from migrations.pending import list_pending
from migrations.runner import migrate
from tests.support.source import ROOT
from tests.support.waiting import until
from tests.support.warm import Warm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from marketplace.embedded.postgres import EmbeddedPostgres

INITIAL = "migrations/history/m0001_initial.sql"
NO_HISTORY = "former versions are in the repository's history, which this checkout lacks (a shallow clone, or no clone)"
SECONDS = 120
NEWEST, DAYS = 12, 4
NEVER_RAN = ("0568ebe8",)
"""Commits that import what only the next one has: they were no version, and the one before each is asked instead."""


def git(*arguments: str) -> bytes:
    """Return what git prints; nothing where it refuses, or is not there."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""


def former_versions() -> list[str]:
    """Return the commits, oldest first; none where the history does not reach back to the initial schema."""
    if git("rev-parse", "--is-shallow-repository").strip() != b"false":
        return []
    frozen = git("log", "--first-parent", "-1", "--format=%H", "--", INITIAL).decode().strip()
    added = ("log", "--first-parent", "--reverse", "--diff-filter=A", "--format=%H", f"{frozen}..HEAD")
    commits = git(*added, "--", "migrations/history/m*.py").decode().split() if frozen else []
    before = [git("rev-parse", f"{commit}^").decode().strip() for commit in commits]
    ran = [f"{commit}^" if commit.startswith(NEVER_RAN) else commit for commit in before]
    return [git("rev-parse", "--short", commit).decode().strip() for commit in ran]


def asked_versions() -> list[str]:
    """Return those of the former versions that this run asks."""
    versions = former_versions()
    if os.environ.get("FORMER_VERSIONS") == "all":
        return versions
    today = dt.datetime.now(dt.UTC).toordinal() % DAYS
    return versions[:-NEWEST][today::DAYS] + versions[-NEWEST:]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for one version after the other: what none of them changes is written, and compiled, once."""
    folder = tmp_path_factory.mktemp("former")
    (folder / "tree").mkdir()
    return folder / "tree"


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    """Return what runs a site after the other."""
    runs = Warm()
    yield runs
    runs.end()


def check_out(version: str, tree: Path) -> None:
    """Make a folder a version's tree; the repository's own index stays as it is."""
    index = os.environ | {"GIT_INDEX_FILE": str(tree.parent / "index")}
    command = ["git", f"--work-tree={tree}", "read-tree", "--reset", "-u", version]
    subprocess.run(command, cwd=ROOT, env=index, check=True)


@pytest.mark.deep
@pytest.mark.parametrize("version", asked_versions() or [pytest.param("", marks=pytest.mark.skip(reason=NO_HISTORY))])
def test_a_former_site_sells_while_the_schema_changes(
    postgres: EmbeddedPostgres, warm: Warm, tree: Path, tmp_path: Path, version: str
) -> None:
    check_out(version, tree)
    name = f"former_{version}"
    postgres.run_sql(f"CREATE DATABASE {name} OWNER partage")
    try:
        asyncio.run(upgrade_beneath(warm, tree, tmp_path, postgres.url(name)))
    finally:
        postgres.run_sql(f"DROP DATABASE {name} WITH (FORCE)")


async def is_under_way(migration: asyncio.Task[list[str]]) -> bool:
    """Return whether the migration has locked tables, so that an order meets it."""
    locked = """SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                WHERE datname = current_database() AND granted AND relation <> 0 AND mode = 'AccessExclusiveLock')"""
    return migration.done() or await fetch_scalar(bool, locked) is True


async def upgrade_beneath(warm: Warm, tree: Path, folder: Path, url: str) -> None:
    """Let the former site of a tree sell, and migrate meanwhile."""
    its_input, writing = os.pipe()
    reading, its_output = os.pipe()
    with (folder / "log").open("wb") as log, os.fdopen(writing, "w") as its_lines, os.fdopen(reading) as heard:
        warm.start(
            [str(ROOT / "tests" / "support" / "former_site.py")],
            tree,
            os.environ | {"DATABASE_URL": url, "PARTAGE_STATE": str(folder / "state"), "VIES_URL": ""},
            [its_input, its_output, log.fileno()],
        )
        for one in (its_input, its_output):
            os.close(one)

        async def hear(words: str) -> None:
            async with asyncio.timeout(SECONDS):
                line = await asyncio.to_thread(heard.readline)
            assert line.strip() == words, (folder / "log").read_text()[-12_000:]

        try:
            await hear("quoted")
            await database.open_pool(url)
            assert await list_pending()
            migration = asyncio.create_task(migrate())
            await until(lambda: is_under_way(migration))
            print("order", file=its_lines, flush=True)
            await hear("ordered")
            await migration
            assert not await list_pending()
            print("go on", file=its_lines, flush=True)
            await hear("sold 2")
            assert await asyncio.to_thread(warm.wait) == 0
            assert await broken() == []
        finally:
            warm.stop()
            await database.close_pool()
