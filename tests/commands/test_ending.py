"""A command's process ends with its own exit code: the object store's threads cannot abort it on the way out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

STORY = """
import atexit, sys
import marketplace.__main__ as command

class Kept:
    def __del__(self):
        print("taken apart", flush=True)

sys.modules["kept"] = Kept()
atexit.register(print, "done at exit")
sys.argv = ["marketplace", *sys.argv[1:]]
command.start()
"""


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["--help"], 0, "Partage: anonymous aggregates"),
        (["nothing-of-the-kind"], 2, "invalid choice"),
        (["restore"], 1, "Say which backup"),
    ],
)
def test_a_command_ends_with_its_own_exit_code(words: list[str], code: int, sentence: str) -> None:
    ended = subprocess.run([sys.executable, "-c", STORY, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == code, ended.stderr
    assert sentence in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout.endswith("done at exit\n")


def test_an_output_that_nobody_reads_is_no_success() -> None:
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    words = [sys.executable, "-m", "marketplace", "check", "--help"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(words, stdout=full, env=buffered, check=False)
    assert ended.returncode == 1


@pytest.mark.parametrize(
    ("closed", "code", "sentence"),
    [(">&-", 1, "Standard output is closed"), (">&- 2>&-", 1, ""), ("2>&-", 0, ""), ("<&-", 0, "")],
)
def test_a_command_whose_output_is_closed_says_so_and_does_nothing(closed: str, code: int, sentence: str) -> None:
    words = ["sh", "-c", f'exec "$0" -m marketplace check --help {closed}', sys.executable]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr[: len(sentence)]) == (code, sentence)
    assert "Traceback" not in ended.stderr
    assert bool(ended.stdout) == (">&-" not in closed.split())
