"""Point in time, where PostgreSQL is the operator's own: the manual's commands, with PostgreSQL's own programs."""

import asyncio
import re
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from marketplace.__main__ import parser
from marketplace.commands.command import refuse_unready, with_pool
from marketplace.core import database
from marketplace.core.backup import servers
from marketplace.core.errors import Conflict
from marketplace.core.postgres import EmbeddedPostgres
from marketplace.core.settings import settings
from marketplace.oversight.invariants import broken
from marketplace.site.health.checks import examine
from migrations.runner import migrate
from tests.finance.builders import sales
from tests.support.blocks import blocks_of
from tests.support.reads import fetch_value
from tests.support.waiting import until

PAGE = "marketplace/site/docs/operator/backup.md"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that the account that runs PostgreSQL reaches."""
    found = Path(tempfile.mkdtemp(prefix="partage-time-"))
    found.chmod(0o777)  # root makes it, another account archives into it
    yield found
    shutil.rmtree(found)


def block(language: str, begins: str) -> str:
    """Return the manual's block that begins so."""
    (found,) = (one.text for one in blocks_of(PAGE) if one.language == language and one.text.startswith(begins))
    return found


def on(server: EmbeddedPostgres, story: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        await database.open_pool(server.url(), size=2)
        try:
            return await story()
        finally:
            await database.close_pool()

    return asyncio.run(whole())


@pytest.mark.deep
def test_a_database_is_brought_to_the_instant_between_two_sales(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def here(text: str) -> str:
        return text.replace("/var/lib/postgresql", str(folder))

    def local(text: str) -> str:
        return f"{text.replace(' --host=db.internal', '')} -h {first.socket} -U postgres"

    async def open_shop() -> None:
        await migrate()
        await servers.note_first_server()
        await sales.write_shop()
        await sales.write_sold_order()

    async def sell_between() -> str:
        await sales.write_sold_order()
        instant = await fetch_value("SELECT clock_timestamp()::text")
        await sales.write_sold_order()
        return str(instant)

    async def count() -> int:
        await until(lambda: fetch_value("SELECT NOT pg_is_in_recovery()"))
        assert await broken() == []
        return int(await fetch_value("SELECT count(*) FROM licence"))

    (folder / "archive").mkdir(mode=0o777)
    (folder / "archive").chmod(0o777)
    with EmbeddedPostgres(folder / "first") as first:
        for statement in here(block("sql", "ALTER SYSTEM")).split(";\n"):
            first.run_sql(statement)
        with (first.data / "pg_hba.conf").open("a") as rules:
            rules.write("local replication all peer map=partage\n")
    with EmbeddedPostgres(folder / "first") as first:
        on(first, open_shop)
        (folder / "second").mkdir()
        (folder / "second").chmod(0o777)
        command = local(here(block("shell", "pg_basebackup")).strip()).split()
        program, *arguments = [part.replace(f"{folder}/base", f"{folder}/second/postgres") for part in command]
        subprocess.run([first.bin / program, *arguments], check=True, capture_output=True, **first._privileges())
        instant = on(first, sell_between)
        first.run_sql("SELECT pg_switch_wal()")
        assert on(first, count) == 3
    (folder / "second").chmod(0o755)
    with (folder / "second" / "postgres" / "postgresql.auto.conf").open("a") as chosen:
        chosen.write(re.sub(r"(recovery_target_time = ).*", rf"\1'{instant}'", here(block("text", "restore_command"))))
    (folder / "second" / "postgres" / "recovery.signal").touch()
    with EmbeddedPostgres(folder / "second") as second:
        assert on(second, count) == 2, "the sale before the instant is there, the one after it is not"
        monkeypatch.setenv("DATABASE_URL", second.url())
        monkeypatch.setenv("PARTAGE_STATE", str(folder / "state"))
        settings.cache_clear()
        with pytest.raises(Conflict, match="restore --from-instant"):
            with_pool(partial(refuse_unready, is_embedded=True))
        (server,) = (one for one in on(second, examine) if one.name == "server")
        assert (server.problem, server.mend) == (servers.GONE_BACK, servers.MEND)
        went_on = parser().parse_args(["restore", "--from-instant", instant.replace(" ", "T")])
        assert went_on.run(went_on) == 0
        printed = capsys.readouterr().out
        assert printed.startswith("The database continues from ")
        assert ", 0 offenders." in printed
        assert f"Of {instant[:19]} UTC and later: " in printed
        assert [one.problem for one in on(second, examine) if one.name == "server"] == [""]
    monkeypatch.undo()
    settings.cache_clear()
