"""The place of notes: a folder or bucket apart from the database; while it does not answer, the disk of the state.

A note in a folder is on its disk (fsync) before it counts. One that went to the disk of the state is copied to the
place when that answers again, by the process that wrote it or by the job. It is read from both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import obstore
import structlog

from marketplace.core.errors import Conflict
from marketplace.core.object_store import TROUBLES, folder_of, open_at
from marketplace.core.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore.store import ObjectStore

WAITING: Final = "notes-waiting"
"""The folder of the state for notes whose place did not answer."""
DRAFT: Final = ".part"
PUT_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 10.0
"""After a failure the place is not tried for so long: nobody waits for it meanwhile."""
log = structlog.get_logger(__name__)
_silent_until: dict[str, float] = {}
"""By address of the place: when it is tried again."""
_copying: set[asyncio.Task[None]] = set()


def address() -> str:
    """Return the address of the place: the setting's, or a folder of the state in a demo or rehearsal."""
    place = settings().notes or str(settings().state / "notes")
    return place if "://" in place else Path(place).absolute().as_uri()


async def put(name: str, data: bytes) -> None:
    """Put a note, replacing one of that name: into its place or, where that fails, on the disk of the state.

    Raises an OSError if neither can be written.
    """
    place = address()
    if time.monotonic() >= _silent_until.get(place, 0.0):
        try:
            await _put(place, name, data)
        except (TimeoutError, *TROUBLES) as error:
            _silent_until[place] = time.monotonic() + SILENT_SECONDS
            log.warning("place of notes does not answer", why=_line_of(error))
        else:
            return
    await asyncio.to_thread(_write, _waiting_folder() / name, data)
    if not _copying:
        task = asyncio.create_task(_copy_until_done())
        _copying.add(task)
        task.add_done_callback(_copying.discard)


async def copy_waiting() -> int:
    """Copy the notes on the disk of the state to their place, and return how many."""
    place, paths = address(), list_waiting()
    for path in paths:
        try:
            data = await asyncio.to_thread(path.read_bytes)
            await _put(place, str(path.relative_to(_waiting_folder())), data)
        except (TimeoutError, *TROUBLES) as error:
            raise _without_place(error) from error
        path.unlink(missing_ok=True)
    return len(paths)


def list_waiting() -> list[Path]:
    """Return the notes on the disk of this process's state, the earliest first."""
    return sorted(path for path in _waiting_folder().rglob("*") if path.is_file() and path.suffix != DRAFT)


def list_names(prefix: str) -> list[str]:
    """Return the names of all notes below a prefix, in order; blocks while reading."""
    here = [str(path.relative_to(_waiting_folder())) for path in list_waiting()]
    with _reading() as store:
        there = [str(found["path"]) for batch in obstore.list(store, prefix=prefix) for found in batch]
    return sorted({name for name in (*there, *here) if name.startswith(prefix) and not name.endswith(DRAFT)})


def read(name: str) -> bytes:
    """Return a note's bytes; blocks while reading."""
    with contextlib.suppress(FileNotFoundError):
        return (_waiting_folder() / name).read_bytes()
    with _reading() as store:
        return bytes(obstore.get(store, name).bytes())


def delete(name: str) -> None:
    """Delete a note; blocks."""
    (_waiting_folder() / name).unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError), _reading() as store:
        obstore.delete(store, name)


@contextlib.contextmanager
def _reading() -> Iterator[ObjectStore]:
    try:
        yield open_at(address())
    except TROUBLES as error:
        raise _without_place(error) from error


def _without_place(error: BaseException) -> Conflict:
    return Conflict("PARTAGE_NOTES cannot be read or written: {why}", why=_line_of(error))


def _line_of(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _waiting_folder() -> Path:
    return settings().state / WAITING


async def _put(place: str, name: str, data: bytes) -> None:
    if (folder := folder_of(place)) is not None:
        await asyncio.to_thread(_write, folder / name, data)
        return
    async with asyncio.timeout(PUT_SECONDS):
        await obstore.put_async(open_at(place), name, data)


def _write(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, that is on the disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + DRAFT)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    for folder in (path.parent, path.parent.parent):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


async def _copy_until_done() -> None:
    while list_waiting():
        await asyncio.sleep(SILENT_SECONDS)
        with contextlib.suppress(Conflict):
            await copy_waiting()
