"""Folders for one piece of work: deleted when it ends, or by the next work if its process was killed.

They are below the state folder, not among the machine's temporary files. Their content may be about people, so it must
not outlive the work, and may be as large as a country's manifests, so it must not fill a `/tmp` in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from marketplace.core.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX: Final = "work-"


@contextlib.contextmanager
def working_folder(place: Path | None = None) -> Iterator[Path]:
    """Yield an empty folder that only this account reads; remove it afterwards, and abandoned ones.

    place: where it is made; the state, unless another account must reach it.
    """
    place = place or settings().state
    place.mkdir(parents=True, exist_ok=True)
    delete_abandoned(place)
    # Creating and locking a folder is one step under a lock, or another process could consider it abandoned.
    with contextlib.ExitStack() as work:
        with at_work(place):
            folder = Path(work.enter_context(tempfile.TemporaryDirectory(dir=place, prefix=PREFIX)))
            work.enter_context(at_work(folder))
        yield folder


def delete_abandoned(place: Path | None = None) -> None:
    """Remove the working folders of the state, or of another place, whose processes were killed."""
    place = place or settings().state
    if any(place.glob(f"{PREFIX}*")):
        with at_work(place):
            for folder in filter(is_abandoned, place.glob(f"{PREFIX}*")):
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def at_work(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Lock a file or folder as long as this process works in it; the lock ends with the process.

    Raises an OSError if another process has it and `wait` is false, or if there is no such file.
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
