"""Letters: each code once, in a file that only its owner reads; killed anywhere, no line has a code that nobody has."""

import asyncio
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.core.database import execute
from marketplace.core.errors import Conflict, Invalid, NotFound
from marketplace.core.settings import settings
from marketplace.people.identity.actions import claim_line
from marketplace.people.identity.lines import new_code
from marketplace.people.identity.rules import digest
from marketplace.subscribers.operators.letters import Letters, write_letters
from tests.people.builders import PASSWORD
from tests.support.production import OPERATORS_OWN
from tests.support.reads import fetch, fetch_value
from tests.support.source import ROOT

DYING = """
import asyncio, json, os, pathlib, signal, sys
from marketplace.core import database
from marketplace.subscribers.operators import letters

out, dies_at = json.loads(sys.argv[1])

def trace(frame, event, _):
    if frame.f_code.co_name == dies_at and frame.f_code.co_filename == letters.__file__:
        os.kill(os.getpid(), signal.SIGKILL)

async def story():
    await database.open_pool(os.environ["DATABASE_URL"])
    import threading
    threading.settrace(trace)
    sys.settrace(trace)
    await letters.write_letters(pathlib.Path(out))

asyncio.run(story())
"""


async def make_lines(lines: range) -> None:
    await execute("INSERT INTO subscriber (reference) SELECT unnest($1::bigint[])", list(lines))


def codes_in(file: Path) -> dict[int, str]:
    return {int(row["reference"]): row["code"] for row in csv.DictReader(io.StringIO(file.read_text()))}


def file_names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.is_file())


async def check_codes(codes: dict[int, str]) -> None:
    """Refuse unless the database has the digests of these codes, and no others."""
    rows = await fetch("SELECT reference, activation_code_hash FROM subscriber WHERE activation_code_hash IS NOT NULL")
    assert {row["reference"]: row["activation_code_hash"] for row in rows} == {
        line: digest(code.replace("-", "")) for line, code in codes.items()
    }


async def test_each_line_gets_one_letter(tmp_path: Path) -> None:
    await make_lines(range(1, 6))
    await execute("UPDATE subscriber SET gone_at = now() WHERE reference = 5")
    assert await write_letters(tmp_path / "a.csv") == Letters(4, was_finished=False)
    first = codes_in(tmp_path / "a.csv")
    assert list(first) == [1, 2, 3, 4]
    assert (tmp_path / "a.csv").stat().st_mode & 0o777 == 0o600
    await check_codes(first)
    assert await write_letters(tmp_path / "b.csv") == Letters(0, was_finished=False)
    assert file_names_in(tmp_path) == ["a.csv"]
    with pytest.raises(Conflict, match="is there already"):
        await write_letters(tmp_path / "a.csv", again=True)

    await claim_line(1, first[1], email="lea@example.org", name="Léa", password=PASSWORD)
    await make_lines(range(6, 8))
    assert (await write_letters(tmp_path / "c.csv")).codes == 2
    assert (await write_letters(tmp_path / "d.csv", again=True)).codes == 5
    new = codes_in(tmp_path / "d.csv")
    assert list(new) == [2, 3, 4, 6, 7]
    assert not set(new.values()) & set(first.values())
    await check_codes(new)


async def test_a_code_has_more_than_128_random_bits(tmp_path: Path) -> None:
    await make_lines(range(1, 200))
    await write_letters(tmp_path / "a.csv")
    codes = [*codes_in(tmp_path / "a.csv").values(), *(new_code() for _ in range(200))]
    assert all(re.fullmatch("[A-Z2-7]{4}(-[A-Z2-7]{4}){6}", code) for code in codes)
    plain = [code.replace("-", "") for code in codes]
    for place in range(27):
        assert len({code[place] for code in plain}) > 24, (
            "each of 27 signs is one of 32: 135 bits, and one more in the last"
        )


async def test_a_line_that_asks_gets_a_new_code_and_the_old_one_stops_working(tmp_path: Path) -> None:
    await make_lines(range(1, 4))
    await write_letters(tmp_path / "a.csv")
    old = codes_in(tmp_path / "a.csv")
    assert (await write_letters(tmp_path / "b.csv", [2, 2])).codes == 1
    await check_codes(old | codes_in(tmp_path / "b.csv"))
    await claim_line(3, old[3], email="lea@example.org", name="Léa", password=PASSWORD)
    for lines in ([1, 3], [1, 99], [2**62]):
        with pytest.raises(NotFound, match=f"The line {lines[-1]} is not known"):
            await write_letters(tmp_path / "c.csv", lines)
    with pytest.raises(Invalid, match="cannot be written"):
        await write_letters(tmp_path / "nowhere" / "c.csv", [1])
    assert file_names_in(tmp_path) == ["a.csv", "b.csv"]
    await check_codes({1: old[1]} | codes_in(tmp_path / "b.csv"))


@pytest.mark.parametrize("dies_at", ["_append", "_sync_folder", "_give_name", "_remove"])
async def test_killed_anywhere_the_same_command_ends_it(tmp_path: Path, dies_at: str) -> None:
    await make_lines(range(1, 4))
    out = tmp_path / "a.csv"
    command = [sys.executable, "-c", DYING, json.dumps([str(out), dies_at])]
    assert subprocess.run(command, env=os.environ, check=False).returncode == -signal.SIGKILL  # noqa: ASYNC221
    assert out.exists() == (dies_at == "_remove")
    coded = await fetch_value("SELECT count(*) FROM subscriber WHERE activation_code_hash IS NOT NULL")
    is_written = dies_at in {"_give_name", "_remove"}
    assert coded == (3 if is_written else 0)
    done = await write_letters(out)
    assert done == Letters(3, was_finished=is_written)
    await check_codes(codes_in(out))
    assert not out.with_name("a.csv.part").exists()
    assert await fetch_value("SELECT count(*) FROM letter_run") == 1


async def test_no_code_is_in_the_database(tmp_path: Path) -> None:
    await make_lines(range(1, 3))
    await write_letters(tmp_path / "a.csv")
    everything = str(await fetch("SELECT subscriber::text, letter_run::text FROM subscriber, letter_run"))
    assert settings().secret not in everything
    for code in codes_in(tmp_path / "a.csv").values():
        assert code not in everything
        assert code.replace("-", "") not in everything


async def test_on_a_full_disk_letters_are_one_sentence_and_no_line_has_a_code(tmp_path: Path) -> None:
    """A limit on what one file may have is what a full disk is to who writes it."""
    await make_lines(range(1, 400))

    def run(most: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                "sh",
                "-c",
                'ulimit -f $1; shift; exec "$@"',
                "sh",
                str(most),
                sys.executable,
                "-m",
                "marketplace",
                "letters",
                str(tmp_path / "a.csv"),
            ],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if "COVERAGE" not in name} | OPERATORS_OWN,
            capture_output=True,
            text=True,
            check=False,
        )

    full = await asyncio.to_thread(run, 8)
    assert (full.returncode, full.stdout) == (1, "")
    assert full.stderr == "The disk is full: make room, then run it again.\n"
    assert file_names_in(tmp_path) == []
    await check_codes({})
    again = await asyncio.to_thread(run, 1000)
    assert (again.returncode, again.stdout) == (0, f"399 codes are in {tmp_path}/a.csv, and nowhere else.\n")
    await check_codes(codes_in(tmp_path / "a.csv"))
