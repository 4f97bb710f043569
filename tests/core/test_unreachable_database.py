"""A database that is not there, or not brought up to date, ends a command in one sentence that says what to do."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.core.postgres import EmbeddedPostgres
from tests.core.builders import OF_JOBS
from tests.support.ports import free_port
from tests.support.production import OPERATORS_OWN
from tests.support.source import ROOT

pytestmark = pytest.mark.deep

COMMANDS = {
    "staff list": {},
    "check": {},
    "letters letters.csv": {},
    "migrate --plan": {},
    "jobs": OF_JOBS,
    "serve --rehearsal": {},
}


def printed_by_failure(command: str, database: str, folder: Path) -> str:
    """Run a command, which must fail, and return what it says."""
    environment = os.environ | OPERATORS_OWN | COMMANDS[command]
    ran = subprocess.run(
        [sys.executable, "-m", "marketplace", *command.split()],
        cwd=folder,
        env=environment | {"DATABASE_URL": database, "PYTHONPATH": str(ROOT), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 1, ran.stderr
    return ran.stderr


@pytest.fixture
def empty(postgres: EmbeddedPostgres) -> Iterator[str]:
    """Give the address of a database with nothing in it."""
    postgres.run_sql("CREATE DATABASE with_nothing OWNER partage")
    yield postgres.url("with_nothing")
    postgres.run_sql("DROP DATABASE with_nothing WITH (FORCE)")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_database_that_is_not_there_is_one_sentence(tmp_path: Path, command: str) -> None:
    stated = printed_by_failure(command, f"postgresql://somebody:secret@127.0.0.1:{free_port()}/partage", tmp_path)
    assert stated.startswith("The database cannot be reached: ")
    assert stated.endswith(". Is PostgreSQL started? Compare DATABASE_URL.\n")
    assert stated.count("\n") == 1
    assert "secret" not in stated


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "migrate --plan"])
def test_a_database_that_was_not_migrated_is_one_sentence(empty: str, tmp_path: Path, command: str) -> None:
    assert printed_by_failure(command, empty, tmp_path) == (
        "The database is not up to date: run `marketplace migrate` first, with the file of `migrate`.\n"
    )


def test_a_name_that_is_wrong_is_one_sentence(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    stated = printed_by_failure("staff list", postgres.url("there_is_none"), tmp_path)
    assert stated == (
        'The database cannot be reached: database "there_is_none" does not exist. '
        "Is PostgreSQL started? Compare DATABASE_URL.\n"
    )


def prints(command: str, database: str, folder: Path) -> str:
    """Run a command, which must do its work, and return what it prints."""
    ran = subprocess.run(
        [sys.executable, "-m", "marketplace", *command.split()],
        cwd=folder,
        env=os.environ | OPERATORS_OWN | {"DATABASE_URL": database, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_migrate_says_in_our_words_what_it_did_and_letters_that_no_line_is_known(empty: str, tmp_path: Path) -> None:
    first = prints("migrate", empty, tmp_path)
    done = r"(1 migration is|\d+ migrations are) done, the last one m\d{4}_\w+\.\nThe database is up to date\.\n"
    assert re.fullmatch(done, first)
    assert prints("migrate", empty, tmp_path) == "Nothing was pending: the database is up to date.\n"
    assert prints("letters letters.csv", empty, tmp_path) == (
        "No letters: no line is known yet. Give the table of lines first: `ingest --subscribers FILE`.\n"
    )
    assert not (tmp_path / "letters.csv").exists()
