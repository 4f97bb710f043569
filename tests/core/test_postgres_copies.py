"""Root's copy of PostgreSQL's binaries, for an environment below a closed home: made once, also by two at once or after a kill."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from marketplace.core.postgres import _installation, copy_installation

ROOT = Path(__file__).resolve().parents[2]
COPY = """
import itertools, os, shutil, signal, sys
from pathlib import Path
from marketplace.core.postgres import _installation, copy_installation

files = itertools.count(1)
def die_half_way(event, arguments):
    if event == "shutil.copyfile" and next(files) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(die_half_way)
print("ready", flush=True)
sys.stdin.readline()
print(copy_installation(_installation(), Path(sys.argv[1])))
"""
NEVER, HALF_WAY = 0, 300


def copying(state: Path, dies_at: int = NEVER) -> subprocess.Popen[str]:
    """Start a process that copies as soon as it reads a line, and kills itself at file number `dies_at`."""
    command = [sys.executable, "-c", COPY, str(state), str(dies_at)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def runs(installation: Path) -> bool:
    """Return whether the copied server runs and all the files of the source are there."""
    source = _installation()
    wanted = {path.relative_to(source) for path in source.rglob("*") if "include" not in path.parts}
    version = subprocess.run(
        [installation / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return (
        wanted == {path.relative_to(installation) for path in installation.rglob("*")}
        and "PostgreSQL" in version.stdout
    )


def names_of_copies(state: Path) -> list[str]:
    return sorted(path.name for path in state.iterdir())


def test_two_that_start_at_once_make_one_copy(tmp_path: Path) -> None:
    state = tmp_path / "state"
    both = [copying(state) for _ in range(2)]
    for process in both:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    ends = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], ends
    (copy,) = {Path(printed.strip()) for printed, _ in ends}
    assert runs(copy)
    assert names_of_copies(state) == sorted(["lock", copy.relative_to(state).parts[0]])


def test_what_a_killed_process_leaves_is_removed(tmp_path: Path) -> None:
    process = copying(tmp_path, HALF_WAY)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    (draft, _) = names_of_copies(tmp_path)
    assert draft.startswith(".pginstall")
    copy = copy_installation(_installation(), tmp_path)
    assert runs(copy)
    assert names_of_copies(tmp_path) == sorted(["lock", copy.relative_to(tmp_path).parts[0]])


def test_an_incomplete_copy_is_made_again_and_a_complete_one_is_not(tmp_path: Path) -> None:
    copy = copy_installation(_installation(), tmp_path)
    target = tmp_path / copy.relative_to(tmp_path).parts[0]
    made = target.stat().st_ino
    assert copy_installation(_installation(), tmp_path) == copy
    assert target.stat().st_ino == made
    (target / "complete").unlink()
    (copy / "share" / "postgresql" / "postgres.bki").unlink()
    assert runs(copy_installation(_installation(), tmp_path))


@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_every_account_may_run_the_copy_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    command = f"import os; os.umask({umask}); {COPY}"
    subprocess.run(
        [sys.executable, "-c", command, str(tmp_path), str(NEVER)], input="go\n", text=True, check=True, cwd=ROOT
    )
    copy = copy_installation(_installation(), tmp_path)
    for path in copy.rglob("*"):
        assert path.is_symlink() or path.stat().st_mode & 0o004, path
        assert not path.is_dir() or path.stat().st_mode & 0o001, path
    assert (copy / "bin" / "postgres").stat().st_mode & 0o001
