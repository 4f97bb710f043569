"""Working folders: work that goes on keeps its own, and of a process that was killed nothing is left."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from marketplace.core.settings import settings
from marketplace.core.working_folders import delete_abandoned, working_folder
from marketplace.site.jobs.scheduler import ticking

WORK = """
import sys
from marketplace.core.working_folders import working_folder
with working_folder() as folder:
    (folder / "lines").write_text("who is in it")
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def worker() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Give a process that works in a folder, with the folder; it is killed at the end of the block at the latest."""
    with subprocess.Popen(
        [sys.executable, "-c", WORK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            yield process, Path(process.stdout.readline().strip()).absolute()
        finally:
            process.kill()


def folders_at_work() -> set[Path]:
    """Return the working folders that there are."""
    return {path.absolute() for path in settings().state.glob("work-*")}


async def test_a_folder_is_its_works_alone_and_nothing_of_a_killed_process_is_left() -> None:
    with worker() as (first, of_first), worker() as (_, of_second):
        assert folders_at_work() == {of_first, of_second}
        assert of_first.stat().st_mode & 0o777 == 0o700
        first.kill()
        first.wait()
        assert (of_first / "lines").exists(), "a killed process deletes nothing"
        with working_folder() as folder:
            assert folders_at_work() == {of_second, folder.absolute()}
            delete_abandoned()
            assert folders_at_work() == {of_second, folder.absolute()}
        assert folders_at_work() == {of_second}
    async with ticking(after_seconds=600):
        assert folders_at_work() == set(), "a worker that starts removes them, though nothing else is to be done"


def test_a_folder_is_gone_where_its_work_fails() -> None:
    with pytest.raises(FileNotFoundError), working_folder() as folder:
        (folder / "there").write_text("who is in it")
        (folder / "not there").read_text()
    assert folders_at_work() == set()
