"""Folders that one piece of work has to itself: gone when it ends, and once its process was killed, with the next work.

They lie below the state, not among the machine's temporary files: what is in them may be about people, so it must not
outlive the work, and may be as large as a country's manifests, so it must not fill a `/tmp` that is memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from marketplace.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "work-"


@contextlib.contextmanager
def working_folder() -> Iterator[Path]:
    """Give an empty folder of the state that only this account reads, for as long as the block lasts; remove the dead's."""
    place = settings().state
    place.mkdir(parents=True, exist_ok=True)
    delete_abandoned()
    # A folder is made and locked in turns, or another process could take it for abandoned in between.
    with contextlib.ExitStack() as work:
        with at_work(place):
            folder = Path(work.enter_context(tempfile.TemporaryDirectory(dir=place, prefix=PREFIX)))
            work.enter_context(at_work(folder))
        yield folder


def delete_abandoned() -> None:
    """Remove the working folders whose processes were killed."""
    place = settings().state
    if any(place.glob(f"{PREFIX}*")):
        with at_work(place):
            for folder in filter(is_abandoned, place.glob(f"{PREFIX}*")):
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def at_work(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Lock a file or folder as long as this process works in it; the lock ends with the process.

    Raises an OSError where another has it and `wait` is false, or where there is no such file.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)


def is_abandoned(path: Path) -> bool:
    """Return whether the process that worked in a file or folder has died: its lock is free."""
    try:
        with at_work(path, wait=False):
            return True
    except OSError:
        return False
