"""Upgrade without closing: while `migrate` changes the schema, the site of a former version goes on selling.

Each release is a former version, by its tag: its own code from the repository's history makes its schema, its shop and its
site, and this version's code migrates beneath it. Beneath the site of this version run migrations that tests write: some
that it must sell through, and some that break it and must be found.
"""

import asyncio
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.core import database
from marketplace.core.database import fetch_scalar
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.oversight.invariants import broken
from migrations.pending import list_pending
from migrations.runner import migrate
from migrations.schema import HISTORY
from tests.support.histories import GROWING, history_of
from tests.support.source import ROOT
from tests.support.waiting import until
from tests.support.warm import Warm

SECONDS = 120
THIS_VERSION = "this version"
WAITING = "EXISTS (SELECT FROM pg_locks WHERE relation = 'purchase_order'::regclass AND NOT granted)"
BREAKING = {
    "renames a column": (
        "ALTER TABLE purchase_order RENAME COLUMN vat_basis_points TO vat_rate",
        "column purchase_order.vat_basis_points does not exist",
    ),
    "locks for long": (
        f"""ALTER TABLE purchase_order ADD COLUMN note TEXT;
            DO $$ BEGIN
                WHILE NOT {WAITING} LOOP END LOOP;
                WHILE {WAITING} LOOP END LOOP;
            END $$""",
        "request took too long",
    ),
}
"""What a migration does that stops the site → its SQL, and the reason in the site's log. It locks until an order gives up."""


def git_or_nothing(*arguments: str) -> str:
    """Return what git prints; nothing where it refuses, or is not there."""
    try:
        return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def release_tags() -> list[str]:
    """Return the tags of the releases before this version, oldest first."""
    return git_or_nothing("tag", "--list", "v*", "--merged", "HEAD", "--sort", "version:refname").split()


def check_out(release: str, tree: Path) -> Path:
    """Make a folder a release's tree and return it; the repository's own index stays as it is."""
    tree.mkdir()
    index = os.environ | {"GIT_INDEX_FILE": str(tree.parent / "index")}
    command = ["git", f"--work-tree={tree}", "read-tree", "--reset", "-u", release]
    subprocess.run(command, cwd=ROOT, env=index, check=True)
    return tree


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    """Return what runs a site after the other."""
    runs = Warm()
    yield runs
    runs.end()


@pytest.fixture
def url(postgres: EmbeddedPostgres, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the address of an empty database."""
    name = re.sub(r"\W", "_", f"{os.getpid()}_{request.node.name}")[:60].lower()
    postgres.run_sql(f'CREATE DATABASE "{name}" OWNER partage')
    yield postgres.url(name)
    postgres.run_sql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.mark.deep
@pytest.mark.parametrize("version", [THIS_VERSION, *release_tags()])
def test_a_site_sells_while_the_schema_changes(warm: Warm, tmp_path: Path, url: str, version: str) -> None:
    if version == THIS_VERSION:
        with history_of(tmp_path / "history", GROWING) as history:
            assert asyncio.run(upgrade_beneath(warm, ROOT, tmp_path, url, history)) == list(GROWING)
        assert asyncio.run(count_notes(url)) == 2, "the trigger noted the order that met the migration, and the next"
    else:
        asyncio.run(upgrade_beneath(warm, check_out(version, tmp_path / "tree"), tmp_path, url, HISTORY))


@pytest.mark.deep
@pytest.mark.parametrize("what", BREAKING)
def test_a_migration_that_stops_the_site_is_found(
    warm: Warm, tmp_path: Path, url: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql, reason = BREAKING[what]
    monkeypatch.setenv("PARTAGE_REQUEST_SECONDS", "5")
    with (
        history_of(tmp_path / "history", {"m0002_breaking": sql}) as history,
        pytest.raises(AssertionError, match=re.escape(reason)),
    ):
        asyncio.run(upgrade_beneath(warm, ROOT, tmp_path, url, history))


async def count_notes(url: str) -> int | None:
    """Return how many orders were noted."""
    await database.open_pool(url)
    try:
        return await fetch_scalar(int, "SELECT count(*) FROM order_note")
    finally:
        await database.close_pool()


async def is_under_way(migration: asyncio.Task[list[str]]) -> bool:
    """Return whether the migration has locked tables, so that an order meets it."""
    locked = """SELECT EXISTS (SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
                WHERE datname = current_database() AND granted AND relation <> 0 AND mode = 'AccessExclusiveLock')"""
    return migration.done() or await fetch_scalar(bool, locked) is True


async def upgrade_beneath(warm: Warm, tree: Path, folder: Path, url: str, history: Path) -> list[str]:
    """Let the site of a tree sell, migrate meanwhile, and return the migrations that were run."""
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

        async def order_meanwhile() -> list[str]:
            migration = asyncio.create_task(migrate(history))
            try:
                await until(lambda: is_under_way(migration))
                print("order", file=its_lines, flush=True)
                await hear("ordered")
                return await migration
            finally:
                migration.cancel()
                await asyncio.wait([migration])

        try:
            await hear("quoted")
            await database.open_pool(url)
            done = await order_meanwhile()
            assert not await list_pending(history)
            print("go on", file=its_lines, flush=True)
            await hear("sold 2")
            assert await asyncio.to_thread(warm.wait) == 0
            assert await broken() == []
        finally:
            warm.stop()
            await database.close_pool()
    return done
