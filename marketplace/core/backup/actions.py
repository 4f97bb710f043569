"""Backup and restore: the whole marketplace at one instant, while it sells, and restored on an empty machine.

The dump is of one snapshot. Objects are listed after it, so every object that it names is there: objects are written
before the row that names them and never changed. The jobs that delete objects are locked out until all are copied.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec
import obstore
import pyrage

from marketplace.core import clock, object_store
from marketplace.core.backup import archive
from marketplace.core.backup.archive import Content, Manifest
from marketplace.core.backup.dump import dump, find_program, restore_dump
from marketplace.core.backup.keys import key_ids
from marketplace.core.backup.proof import Inventory, prove, read_inventory
from marketplace.core.backup.queries import find_last_restoration
from marketplace.core.backup.strangers import refuse_strangers
from marketplace.core.backup.tables import Backup, Restoration
from marketplace.core.backup.unfinished import Mark, find_mark, refuse_unfinished, remove_mark, write_mark
from marketplace.core.database import execute, fetch_scalar, transaction
from marketplace.core.errors import Conflict, Invalid
from marketplace.core.locks import exclusive
from marketplace.core.settings import settings
from marketplace.core.working_folders import at_work, is_abandoned, working_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence

    from obstore.store import ObjectStore


NAME: Final = "partage-%Y%m%dT%H%M%S%fZ.age"
"""The name of a backup's file, by its instant in UTC."""
FLUSHED_EVERY_S: Final = 0.1
"""How long written data may wait before it is sent to the disk."""
DELETERS: Final = ("ingest events", "index contributions", "public log")
"""The locks under which objects are deleted or, for the public log's head, replaced."""


def new_key(path: Path) -> str:
    """Write a new private key to a file that only its owner reads, and return its public key; replaces no file."""
    key = pyrage.x25519.Identity.generate()
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"# public key: {key.to_public()}\n{key}\n")
    except OSError as error:
        raise Conflict("{path} cannot be written: {why}.", path=path, why=error.strerror or error) from None
    return str(key.to_public())


# ------------------------------------------------------------------ backup
async def back_up(
    to: str, keys: Sequence[str], *, report: Callable[[int], None] = lambda _: None
) -> tuple[str, Manifest]:
    """Write a backup into a folder or bucket, prove it, record it, and return its address and manifest.

    The proof restores the dump into a server made for that, which is then removed. A backup that fails it stays where
    it was written, and is not recorded.

    keys: the public keys that it is encrypted to; without any, those of the settings. report: gets the bytes read so
    far. The file appears whole or not at all.
    """
    recipients = [_recipient(key) for key in keys or settings().backup_key.split(",") if key]
    if not recipients:
        raise Invalid("Say to which public key the backup is encrypted: --key age1…, or PARTAGE_BACKUP_KEY.")
    await refuse_unfinished()
    async with _workspace() as (folder, dumped):
        async with _objects_stay():
            made_at, migration, inventory = await _dump(dumped)

            def describe(files: dict[str, Content]) -> Manifest:
                return Manifest(made_at.isoformat(), migration, key_ids(settings()), files)

            def write(whole: Path) -> Manifest:
                with whole.open("wb") as file, _flushed(file):
                    return archive.write(
                        file,
                        recipients,
                        database=dumped,
                        objects=object_store.store(),
                        describe=describe,
                        signing_key=settings().signing_key,
                        report=report,
                    )

            place, manifest = await _put(to, made_at.strftime(NAME), folder, write)
        await prove(dumped, inventory)
    await Backup.insert(Backup(made_at=made_at, place=place, bytes=size_of(manifest)))
    return place, manifest


async def _put(to: str, name: str, folder: Path, write: Callable[[Path], Manifest]) -> tuple[str, Manifest]:
    """Write a file into a folder or bucket, whole or not at all; return its address and manifest."""
    address = _address(to)
    if address is None:
        target = Path(to) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with _draft(target) as draft:
            manifest = await asyncio.to_thread(write, draft)
            draft.rename(target)
        return str(target), manifest
    manifest = await asyncio.to_thread(write, folder / name)
    with object_store.answering(address):
        await obstore.put_async(_open(address), name, folder / name)
    return f"{address.rstrip('/')}/{name}", manifest


def size_of(manifest: Manifest) -> int:
    """Return the bytes of a backup's dump and objects."""
    return sum(content.bytes for content in manifest.files.values())


async def back_up_in_turn() -> int:
    """Make a backup where the settings name a place, then delete those there past their days; a job.

    Return how many were deleted. Former backups are deleted only after a new one was made.
    """
    to = settings().backups
    if not to:
        return 0
    made, _ = await back_up(to, [])
    address = _address(to) or _uri(to)
    place, oldest = _open(address), clock.now() - dt.timedelta(days=settings().backup_days)
    with object_store.answering(address):
        names = await asyncio.to_thread(archive.list_objects, place)
        expired = [name for name in names if _is_before(name, oldest) and not made.endswith(f"/{name}")]
        for name in expired:
            await obstore.delete_async(place, name)
    return len(expired)


def _is_before(name: str, instant: dt.datetime) -> bool:
    """Return whether this is the name of a backup that was made before an instant."""
    try:
        return dt.datetime.strptime(name, NAME).replace(tzinfo=dt.UTC) < instant
    except ValueError:
        return False


@contextlib.contextmanager
def _flushed(file: IO[bytes]) -> Iterator[None]:
    """Wait until all written data is on the disk; it is sent there during the block, so that the wait is short."""
    done = threading.Event()

    def flush() -> None:
        while not done.wait(FLUSHED_EVERY_S):
            os.fdatasync(file.fileno())

    with ThreadPoolExecutor(1) as beside:
        flushing = beside.submit(flush)
        try:
            yield
        finally:
            done.set()
        flushing.result()
    file.flush()
    os.fsync(file.fileno())


async def _dump(into: IO[bytes]) -> tuple[dt.datetime, str, Inventory]:
    """Dump one snapshot; return its instant, its newest migration and what it has."""
    program = await find_program("pg_dump")
    async with transaction(isolation="repeatable_read", readonly=True):
        await execute("SET LOCAL idle_in_transaction_session_timeout = 0")  # it waits while another process reads
        snapshot = await fetch_scalar(str, "SELECT pg_export_snapshot()")
        migration = await fetch_scalar(str, "SELECT max(name) FROM migration")
        assert snapshot
        made_at = clock.now()
        await dump(program, settings().database_url, snapshot, into)
        inventory = await read_inventory()
    return made_at, str(migration), inventory


# ------------------------------------------------------------------ restore
async def restore(source: str, identity: Path) -> Manifest:
    """Restore a backup with a private key's file into an empty database and an empty store; return its manifest.

    Refuses a database or store that is not empty, a key that does not open the file, and content that differs from the
    manifest; objects put into the store are then deleted again. If the same restore was killed before, it continues.
    The caller then updates the schema, records the restore, repairs the gap, and removes the mark.
    """
    mark = await _begin()
    identities = _identities(identity)
    store, put = object_store.store(), list[str]()
    async with _workspace() as (folder, dumped):
        path = await _fetched(source, folder)
        if mark is None:
            await write_mark(mark := Mark(_store_address()))
        try:
            manifest = await asyncio.to_thread(
                archive.read,
                path,
                identities,
                database=dumped,
                objects=store,
                folder=folder,
                signing_key=settings().signing_key,
                put=put.append,
            )
            digest = _digest(manifest)
            await _refuse_others(mark, digest, manifest)
        except BaseException:
            await _leave_empty(put)
            raise
        if not await _has_tables():
            await write_mark(Mark(mark.store, digest))
            await restore_dump(await find_program("pg_restore"), settings().database_url, dumped)
    return manifest


async def _begin() -> Mark | None:
    """Return the mark of an interrupted restore; None at the start of one, in an empty database with an empty store."""
    await refuse_strangers()
    mark = await find_mark()
    if mark is None:
        if await _has_tables():
            raise Conflict("The database is not empty: restore into a new one.")
        with object_store.answering():
            found = await asyncio.to_thread(archive.list_objects, object_store.store())
        if found:
            raise Conflict("The object store is not empty: restore into a new one.")
    elif mark.store != _store_address():
        raise Conflict("The restore that has not ended was into {store}: set PARTAGE_OBJECTS to it.", store=mark.store)
    return mark


async def _refuse_others(mark: Mark, digest: str, manifest: Manifest) -> None:
    """Refuse to continue with another backup than the killed restore's: tables and objects would not match."""
    if await _has_tables() and mark.backup_sha256 != digest:
        raise Conflict(
            "The restore that has not ended was of another backup: continue that one, or empty the database."
        )
    with object_store.answering():
        found = await asyncio.to_thread(archive.list_objects, object_store.store())
    if strange := [name for name in found if archive.OBJECTS + name not in manifest.files]:
        raise Conflict("The object store has {name}, which is not of this backup: empty it first.", name=strange[0])


async def _leave_empty(put: list[str]) -> None:
    """Delete the objects that a refused restore has put; if none is left, the restore has not begun."""
    store = object_store.store()
    with contextlib.suppress(*object_store.TROUBLES):
        for name in put:
            await obstore.delete_async(store, name)
        if not await _has_tables() and not await asyncio.to_thread(archive.list_objects, store):
            await remove_mark()


async def _has_tables() -> bool:
    return bool(await fetch_scalar(bool, "SELECT to_regclass('migration') IS NOT NULL"))


def _store_address() -> str:
    return settings().objects or _uri(str(settings().state))


async def _fetched(source: str, folder: Path) -> Path:
    """Return the path of a backup's file on this machine; one in a bucket is downloaded."""
    path = Path(source)
    if (address := _address(source)) is not None:
        parent, _, name = address.rpartition("/")
        path = folder / "backup"
        with object_store.answering(parent):
            await _download(_open(parent), name, path)
    if not path.is_file():
        raise Conflict("There is no backup {path}.", path=path)
    return path


async def note_restoration(manifest: Manifest) -> None:
    """Record that the database continues from a backup, once its schema is up to date; repeating it changes nothing."""
    digest, latest = _digest(manifest), await find_last_restoration()
    if latest is None or latest.backup_sha256 != digest:
        await _note(dt.datetime.fromisoformat(manifest.made_at), digest)


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()


async def mark_point_in_time(instant: dt.datetime) -> None:
    """Mark a database that PostgreSQL's own log restored to an instant, until the rest of the restore is done."""
    _refuse_future(instant)
    if not await _has_tables():
        raise Conflict("The database is empty: bring it to that instant first, or restore a backup.")
    if await find_mark() is None:
        await write_mark(Mark(_store_address()))


async def note_point_in_time(instant: dt.datetime) -> None:
    """Record that PostgreSQL's own log restored the database to an instant; no backup of ours was read."""
    _refuse_future(instant)
    await _note(instant, "")


def _refuse_future(instant: dt.datetime) -> None:
    if instant.tzinfo is None or instant > clock.now():
        raise Invalid("Say the instant that the database was brought to with its time zone; it is not in the future.")


async def _note(instant: dt.datetime, digest: str) -> None:
    await Restoration.insert(Restoration(backed_up_at=instant, restored_at=clock.now(), backup_sha256=digest))


def missing_keys(manifest: Manifest) -> list[str]:
    """Return the names of a backup's keys that this machine's settings lack."""
    here = key_ids(settings())
    return sorted(name for name, value in manifest.keys.items() if here.get(name) != value)


# ------------------------------------------------------------------ another store
async def move_objects(to: str, *, report: Callable[[int], None] = lambda _: None) -> int:
    """Copy every object to another store, compare them, and return their number; objects already there stay.

    PARTAGE_OBJECTS names the other store afterwards. The copy runs under the locks of the jobs that delete objects.
    """
    address = _address(to) or _uri(to)
    target, source = _open(address), object_store.store()

    def copy() -> int:
        names, read = archive.list_objects(source), 0
        for name in names:
            read += archive.copy_object(source, target, name)
            report(read)
        if names != archive.list_objects(target):
            raise Conflict("The other store holds objects that are not from here: give an empty one.")
        return len(names)

    with object_store.answering(address):
        await asyncio.to_thread(archive.list_objects, target)
    async with _objects_stay():
        with object_store.answering(f"{settings().objects} or {address}"):
            return await asyncio.to_thread(copy)


# ------------------------------------------------------------------ what they share
@contextlib.asynccontextmanager
async def _objects_stay() -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        for name in DELETERS:
            await stack.enter_async_context(exclusive(name))
        yield


@contextlib.asynccontextmanager
async def _workspace() -> AsyncIterator[tuple[Path, IO[bytes]]]:
    """Provide a folder that nobody else reads, during the block.

    The second file has no name: its content, the database in plain, disappears with this process, even if it is killed.
    """
    with working_folder() as folder, tempfile.TemporaryFile(dir=folder) as dumped:
        yield folder, dumped


@contextlib.contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Yield a name for a backup until it is complete; remove incomplete ones, and those of killed processes."""
    for left in filter(is_abandoned, target.parent.glob("partage-*.part")):
        left.unlink(missing_ok=True)
    draft = target.with_suffix(".part")
    draft.touch(mode=0o600)
    try:
        with at_work(draft):
            yield draft
    finally:
        draft.unlink(missing_ok=True)


def _uri(folder: str) -> str:
    return Path(folder).absolute().as_uri()


def _address(place: str) -> str | None:
    """Return the address of a place outside this machine, or None."""
    return place if len(urlsplit(place).scheme) > 1 else None


def _open(address: str) -> ObjectStore:
    try:
        return object_store.open_at(address)
    except object_store.TROUBLES as error:
        raise Conflict("{address} cannot be opened: {why}", address=address, why=str(error).splitlines()[0]) from error


async def _download(store: ObjectStore, name: str, path: Path) -> None:
    try:
        answer = await obstore.get_async(store, name)
    except FileNotFoundError as error:
        if object_store.NO_BUCKET in str(error):
            raise
        raise Conflict("There is no backup {path}.", path=name) from None
    with path.open("wb") as file:
        async for piece in answer.stream(min_chunk_size=archive.PIECE_BYTES):
            await asyncio.to_thread(file.write, piece)


def _recipient(key: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(key.strip())
    except pyrage.RecipientError:
        raise Invalid("{key} is no public key of age: it begins with age1.", key=key) from None


def _identities(path: Path) -> list[pyrage.x25519.Identity]:
    """Return the private keys in a file that `age-keygen` or `backup --new-key` wrote."""
    try:
        text = path.read_text()
    except OSError as error:
        raise Invalid("{path} cannot be read: {why}.", path=path, why=error.strerror or error) from None
    except ValueError:
        text = ""
    try:
        lines = [line.strip() for line in text.splitlines()]
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError:
        found = []
    if not found:
        raise Invalid("{path} is no private key of age.", path=path)
    return found
